"""How a board proves itself to a cloud that is met in an instance, made for each connection.

A relay has the instance made, right before the connect: its keys are none of the board's
business. Within the dialog the cloud may want to know which device it is, and counts each
new name as a device that is paid for. So the name is for ever the same: once the cloud has
let the device in by it, the device record keeps it, and settings that say another one
connect to nothing.

An instance is used once, and stopped through the relay when the connection has ended.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any

from mmid.errors import LicenseRefused, MmidError, NotProvisioned, StorageFailed
from mmid.frozen import frozen
from mmid.hal import Clock
from mmid.secrets import Secret, masked
from mmid.session.access import Access, Credential
from mmid.session.effects import Next
from mmid.session.endpoint import ClosedUnheard, CredentialRefused
from mmid.session.license.codes import Remedy
from mmid.session.license.messages import Way
from mmid.session.license.record_book import RecordBook
from mmid.session.license.refusals import LicenseTrouble
from mmid.session.license.service import way_to
from mmid.session.relay import AskRelay, RelayRefused, ask_relay
from mmid.settings import Settings, WorkMode
from mmid.status import LicenseState, Status

_log = logging.getLogger(__name__)

# Stopping an instance saves its rest; nobody waits long for that.
_STOP_S = 10.0
# We are told to stop, and systemd waits for us.
_SEE_THROUGH_S = 3.0
# Instances that still wait to be stopped; a cloud ends those that are forgotten by itself.
_MOST_TO_STOP = 4


@frozen
class Instance(Credential):
    """What one connection is opened with, besides the instance's token.

    Attributes:
        instance_id: the instance's id, as the relay wrote it.
        url: where it is met; empty: at the cloud's own address.
        stop_url: where the relay is asked to stop it; empty: nowhere.
        device_name: who this device is.
        work_mode: how one talks; the instance was made for it.
        again: the connection before ended without a word.
    """

    instance_id: int | str
    url: str = ""
    stop_url: str = ""
    device_name: str = field(default="", repr=False)
    work_mode: WorkMode = "push2talk"
    again: bool = False


@frozen
class InstanceNeeds:
    """What a cloud needs of the settings before an instance can be asked for.

    Attributes:
        url: where the relay is asked.
        question: what it is asked besides the device's name and the work mode.
        app_id: the application, to be shown.
        license_key: what the device proves itself with in the dialog.
        missing: what is not set and must be, by its names in the settings; may be empty.
    """

    url: str
    question: Mapping[str, str]
    app_id: str
    license_key: Secret
    missing: str


class InstanceAccess(Access):
    """An instance for each connection, and one name for ever.

    Args:
        settings: who this device is, and how it proves itself to the relay.
        needs: what the cloud needs of the settings.
        read: makes an ``Instance`` of the relay's answer; raises ``HttpFailed``.
        book: keeps the name.
        clock: when it was refused.
        status: shows how far we are.
        work_mode: returns how one talks now.
        ask: asks the relay.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        needs: Callable[[Settings], InstanceNeeds],
        read: Callable[[Mapping[str, Any]], Instance],
        book: RecordBook,
        clock: Clock,
        status: Status,
        work_mode: Callable[[], WorkMode],
        ask: AskRelay = ask_relay,
        **_: object,
    ) -> None:
        self._settings = settings
        self._needs, self._read = needs, read
        self._clock, self._status, self._work_mode = clock, status, work_mode
        self._device = _Device(book)
        self._relay = _Relay(ask)
        self._instance: Instance | None = None
        self._unheard = 0  # connections in a row that ended without a word
        self._refusal: MmidError | None = None
        self._trouble: LicenseTrouble | None = None

    def show(self) -> None:
        state = LicenseState.AUTHORIZED if self._device.confirmed else LicenseState.REGISTERED
        if self._refusal is not None:
            state = LicenseState.REFUSED
        if self._objection():
            state = LicenseState.UNPROVISIONED
        self._status.update(
            app_id=self._needs(self._settings).app_id,
            device_name=self._device.known_as or self._settings.license.device_name,
            registered=self._device.activated,
            license_mode="activation",
            license_state=state,
            license_error=self._trouble.to_plain() if self._trouble else {},
        )

    async def credential(self) -> Instance:
        self.show()
        if objection := self._objection():
            raise NotProvisioned(
                f"this device is not provisioned: {objection}",
                advice="Correct the settings. The device's name must stay what it is: the cloud "
                "counts another one as another device.",
            )
        if self._refusal is not None:  # Connect is no reason to try again: that may cost money
            raise self._refusal.with_traceback(None)
        settings, mode = self._settings, self._work_mode()
        name, needs = settings.license.device_name or self._device.known_as, self._needs(settings)
        question = {"deviceName": name, **needs.question, "mode": mode}
        answer = await self._relay.ask(way_to(needs.url, settings, "relay"), question)
        instance = self._read(answer)
        self._instance = replace(
            instance, device_name=name, work_mode=mode, again=self._unheard > 0
        )
        return self._instance

    def authorized(self) -> None:
        if self._instance is not None:
            self._device.confirm(self._instance.device_name)
        self._unheard, self._trouble = 0, None
        self.show()

    def ended(self) -> None:
        instance, self._instance = self._instance, None
        if instance is not None and instance.stop_url:
            question = {
                "deviceName": instance.device_name,
                "ai_agent_instance_id": instance.instance_id,
            }
            self._relay.stop(way_to(instance.stop_url, self._settings, "relay"), question)

    def after(self, error: MmidError) -> Next | None:
        if isinstance(error, ClosedUnheard | CredentialRefused):
            self._unheard += 1
            # One instance may be lost on its way. Two in a row are a fault that stays a while.
            return Next.RETRY if self._unheard == 1 else Next.LATER
        self._unheard = 0
        if not isinstance(error, LicenseRefused | RelayRefused | NotProvisioned):
            return None
        refused = not isinstance(error, NotProvisioned)
        self._refusal = error if refused else self._refusal
        by_cloud = isinstance(error, LicenseRefused)
        trouble = LicenseTrouble(
            error.code,
            str(error) if by_cloud else f"{error}. {error.advice}",
            Remedy.ENABLE_IN_CONSOLE if by_cloud else Remedy.FIX_SETTINGS,
            self._clock.now_ms(),
        )
        self._trouble = trouble.after(self._trouble)
        self.show()
        return Next.STOP

    def forgive(self) -> None:
        self._unheard, self._refusal, self._trouble = 0, None, None
        self.show()

    def forget(self) -> None:
        self._device.forget()
        self.show()

    def use(self, settings: Settings) -> None:
        before, self._settings = self._settings, settings
        if (before.license, self._needs(before)) != (settings.license, self._needs(settings)):
            self._device.confirmed = False
            self.forgive()

    def describe(self) -> str:
        if objection := self._objection():
            return f"not provisioned: {objection}"
        return f"refused: {self._trouble.message}" if self._trouble else ""

    async def see_through(self) -> None:
        self.ended()
        await self._device.see_through()
        await self._relay.see_through()

    def _objection(self) -> str:
        """Say why no instance may be asked for, or nothing."""
        if missing := self._needs(self._settings).missing:
            return f"{missing} not set"
        return self._device.objection(self._settings.license.device_name)


class _Device:
    """The name that a cloud knows this device by, which must never change.

    Attributes:
        confirmed: the cloud has let it in since mmid started, or since the settings changed.
    """

    def __init__(self, book: RecordBook) -> None:
        self._book = book
        self._let_in = ""  # also while the record cannot be written
        self._saving: asyncio.Task[None] | None = None
        self.confirmed = False

    @property
    def activated(self) -> bool:
        """Whether a cloud has let this device in, now or ever."""
        return bool(self._book.record.activated_name or self._let_in)

    @property
    def known_as(self) -> str:
        """The name that the record has; empty: it has none."""
        record = self._book.record
        return record.activated_name or self._let_in or record.device_name

    def objection(self, given: str) -> str:
        """Say why this device may not be called what the settings say; empty: it may."""
        kept = self.known_as
        if not (given or kept):
            return "license.device_name not set, and the device record has no name"
        if given and kept and given != kept:
            return (
                f"license.device_name is {masked(given)}, the device record says {masked(kept)}: "
                "correct the one, or erase the other if this is another device"
            )
        return ""

    def confirm(self, name: str) -> None:
        """The cloud has let the device in by this name; the record keeps it."""
        self.confirmed, self._let_in = True, name
        if self._book.record.activated_name != name:
            self._saving = asyncio.create_task(self._save(name), name="mmid-activation")

    async def _save(self, name: str) -> None:
        try:
            await self._book.save(replace(self._book.record, activated_name=name))
        except StorageFailed as error:  # with the next connection it is tried again
            told = "the name that the cloud knows this device by was not saved: %s. %s"
            _log.warning(told, error, error.remedy, extra=error.journal_fields)

    def forget(self) -> None:
        """The record was erased."""
        self._let_in, self.confirmed = "", False

    async def see_through(self) -> None:
        """Wait until the name is kept; a save cannot be cut."""
        if self._saving is not None:
            await asyncio.wait({self._saving}, timeout=_SEE_THROUGH_S)


class _Relay:
    """Asks for instances, and has them stopped, one after the other, when nobody waits for it."""

    def __init__(self, ask: AskRelay) -> None:
        self._ask = ask
        self._to_stop: deque[tuple[Way, Mapping[str, str | int]]] = deque(maxlen=_MOST_TO_STOP)
        self._stopping: asyncio.Task[None] | None = None

    async def ask(self, way: Way, question: Mapping[str, str]) -> dict[str, Any]:
        """Ask; raises as ``ask_relay``, without the device's name in any text."""
        name = question["deviceName"]
        try:
            return await self._ask(way, question)
        except MmidError as error:
            error.args = tuple(str(text).replace(name, masked(name)) for text in error.args)
            raise

    def stop(self, way: Way, question: Mapping[str, str | int]) -> None:
        """Have an instance stopped soon."""
        self._to_stop.append((way, question))
        if self._stopping is None or self._stopping.done():
            self._stopping = asyncio.create_task(self._stop_all(), name="mmid-stop-instance")

    async def _stop_all(self) -> None:
        while self._to_stop:
            try:
                async with asyncio.timeout(_STOP_S):
                    await self._ask(*self._to_stop.popleft())
            except (MmidError, TimeoutError) as error:
                _log.info("an instance was not stopped, the cloud will end it: %r", error)

    async def see_through(self) -> None:
        """Give what is to be stopped its last chance: we are told to stop."""
        if self._stopping is not None:
            await asyncio.wait({self._stopping}, timeout=_SEE_THROUGH_S)
            self._stopping.cancel()
            await asyncio.gather(self._stopping, return_exceptions=True)
