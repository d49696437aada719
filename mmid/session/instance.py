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
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any

from mmid.errors import LicenseRefused, MmidError, NotProvisioned, StorageFailed
from mmid.frozen import frozen
from mmid.hal import Clock
from mmid.secrets import Secret, masked
from mmid.session.access import Credential
from mmid.session.effects import Next
from mmid.session.endpoint import ClosedUnheard, CredentialRefused
from mmid.session.license.codes import Remedy
from mmid.session.license.record_book import RecordBook
from mmid.session.relay import AskRelay, RelayRefused, ask_relay
from mmid.session.relay_access import RelayAccess
from mmid.settings import Settings, WorkMode
from mmid.status import Status

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
        again: the connection before was the first to end without a word: the second is told,
            and no more than that.
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
        read: makes an ``Instance`` of the relay's answer; raises ``HttpFailed``.
        url: where the relay is asked.
        question: what it is asked besides the device's name and the work mode.
        app_id: the application, to be shown.
        license_key: what the device proves itself with in the dialog.
        missing: what is not set and must be, by its names in the settings; may be empty.
    """

    read: Callable[[Mapping[str, Any]], Instance]
    url: str
    question: Mapping[str, str]
    app_id: str
    license_key: Secret
    missing: str


class InstanceAccess(RelayAccess):
    """An instance for each connection, and one name for ever.

    Args:
        settings: who this device is, and how it proves itself to the relay.
        needs: what the cloud needs of the settings.
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
        book: RecordBook,
        clock: Clock,
        status: Status,
        work_mode: Callable[[], WorkMode],
        ask: AskRelay = ask_relay,
        **_: object,
    ) -> None:
        super().__init__(settings, clock=clock, status=status, ask=ask)
        self._needs_of, self._needs = needs, needs(settings)
        self._work_mode = work_mode
        self._device = _Device(book)
        self._instance: Instance | None = None
        self._unheard = 0  # connections in a row that ended without a word
        self._refusal: MmidError | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._one_stop = asyncio.Lock()

    def show(self) -> None:
        self._show_license(
            "activation",
            app_id=self._needs.app_id,
            device_name=self._device.known_as or self._settings.license.device_name,
            registered=self._device.activated,
        )

    async def credential(self) -> Instance:
        self.show()
        if missing := self._missing():
            raise NotProvisioned(
                f"this device is not provisioned: {missing}",
                advice="Correct the settings. The device's name must stay what it is: the cloud "
                "counts another one as another device.",
            )
        if self._refusal is not None:  # Connect is no reason to try again: that may cost money
            raise self._refusal.with_traceback(None)
        name = self._settings.license.device_name or self._device.known_as
        needs, mode = self._needs, self._work_mode()
        question = {"deviceName": name, **needs.question, "mode": mode}
        instance = needs.read(await self._ask_relay(needs.url, question))
        self._instance = replace(
            instance, device_name=name, work_mode=mode, again=self._unheard == 1
        )
        return self._instance

    def authorized(self) -> None:
        if self._instance is not None:
            self._device.confirm(self._instance.device_name)
        self._let_in, self._unheard, self._trouble = True, 0, None
        self.show()

    def ended(self) -> None:
        instance, self._instance = self._instance, None
        if instance is not None and instance.stop_url and len(self._stopping) < _MOST_TO_STOP:
            stop = asyncio.create_task(self._stop_instance(instance), name="mmid-stop-instance")
            self._stopping.add(stop)
            stop.add_done_callback(self._stopping.discard)

    def after(self, error: MmidError) -> Next | None:
        if isinstance(error, ClosedUnheard | CredentialRefused):
            self._unheard += 1
            # One instance may be lost on its way. Two in a row are a fault that stays a while.
            return Next.RETRY if self._unheard == 1 else Next.LATER
        self._unheard = 0
        if isinstance(error, LicenseRefused | RelayRefused):
            self._refusal, self._let_in = error, False
        if isinstance(error, LicenseRefused):
            return self._stop(error, Remedy.ENABLE_IN_CONSOLE, str(error))
        if isinstance(error, NotProvisioned):
            return self._stop(error, Remedy.FIX_SETTINGS)
        return super().after(error)

    def forgive(self) -> None:
        self._unheard, self._refusal = 0, None
        super().forgive()

    def forget(self) -> None:
        self._device.forget()
        self._let_in = False
        self.forgive()  # it was this name that was refused, or contradicted the settings

    def use(self, settings: Settings) -> None:
        before = self._settings.license, self._needs
        self._settings, self._needs = settings, self._needs_of(settings)
        if before != (settings.license, self._needs):
            self._let_in = False
            self.forgive()

    async def see_through(self) -> None:
        self.ended()
        await self._device.see_through()
        if stopping := set(self._stopping):
            _, late = await asyncio.wait(stopping, timeout=_SEE_THROUGH_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _missing(self) -> str:
        if missing := self._needs.missing:
            return f"{missing} not set"
        return objection(self._settings.license.device_name, self._device.known_as)

    async def _stop_instance(self, instance: Instance) -> None:
        """Have it stopped through the relay; nobody waits for that."""
        question = {
            "deviceName": instance.device_name,
            "ai_agent_instance_id": instance.instance_id,
        }
        try:
            async with self._one_stop, asyncio.timeout(_STOP_S):  # each is a process of its own
                await self._ask_relay(instance.stop_url, question)
        except (MmidError, TimeoutError) as error:
            _log.info("an instance was not stopped, the cloud will end it: %r", error)


def objection(given: str, kept: str) -> str:
    """Say why a device may not be called what the settings say; empty: it may.

    Args:
        given: the name in the settings; may be empty.
        kept: the one in the device record; may be empty.
    """
    if not (given or kept):
        return "license.device_name not set, and the device record has no name"
    if given and kept and given != kept:
        # Two spellings may look alike when they are masked: the tool that root runs tells all.
        return (
            f"license.device_name is another ({masked(given)}), the device record says "
            f"{masked(kept)}: correct the one, or erase the other if this is another device; "
            "mmid check shows both in full"
        )
    return ""


class _Device:
    """The name that a cloud knows this device by, which must never change."""

    def __init__(self, book: RecordBook) -> None:
        self._book = book
        self._let_in = ""  # also while the record cannot be written
        self._saving: asyncio.Task[None] | None = None

    @property
    def activated(self) -> bool:
        """Whether a cloud has let this device in, now or ever."""
        return bool(self._book.record.activated_name or self._let_in)

    @property
    def known_as(self) -> str:
        """The name that the record has; empty: it has none."""
        record = self._book.record
        return record.activated_name or self._let_in or record.device_name

    def confirm(self, name: str) -> None:
        """The cloud has let the device in by this name; the record keeps it."""
        self._let_in = name
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
        self._let_in = ""

    async def see_through(self) -> None:
        """Wait until the name is kept; a save cannot be cut."""
        if self._saving is not None:
            await asyncio.wait({self._saving}, timeout=_SEE_THROUGH_S)
