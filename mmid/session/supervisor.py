"""Keeps the dialog alive: offline, licensed, connected, and again, for months.

One task runs one attempt after the other; how an attempt ended says what
follows. Whatever can heal by itself is retried with back-off; what cannot is
told once, in words an operator can act on, and waits for ``Register``.
"""

import asyncio
import logging
from collections.abc import Callable

from mmid.errors import ClockNotSet, ConnectionLost, LicenseRefused, MmidError
from mmid.events import DataDeinit, DataInit, Error, State
from mmid.hal import Clock
from mmid.session.access import Access
from mmid.session.backoff import Backoff
from mmid.session.conversation import Conversation, Host
from mmid.session.dialer import Dialer
from mmid.session.effects import Emit, Moved, Next, what_follows
from mmid.session.endpoint import ClosedUnheard, CredentialRefused
from mmid.settings import Settings, WorkMode
from mmid.status import Status

_log = logging.getLogger(__name__)

# A lost connection that is back after a try or two needs no Error signal.
_TELL_OUTAGE_AT = 3

# A press ends a wait for the next attempt; so often at most, whoever presses.
_HURRY_S = 5.0

# How long a conversation may take to say goodbye when we stop.
_LEAVE_S = 1.4


class Supervisor:
    """Runs attempts until stopped.

    Args:
        access: provides the credential.
        dialer: opens a conversation with it.
        clock: tells when the time can be trusted.
        status: shows how far we are.
        host: carries out effects, and hears our events.
        dialog_id: returns the dialog to go on with, or nothing.
        work_mode: how one talks, to begin with.
    """

    def __init__(
        self,
        *,
        access: Access,
        dialer: Dialer,
        clock: Clock,
        status: Status,
        host: Host,
        dialog_id: Callable[[], str],
        work_mode: WorkMode,
    ) -> None:
        self._access = access
        self._dialer = dialer
        self._clock = clock
        self._status = status
        self._host = host
        self._dialog_id = dialog_id
        self._work_mode = work_mode
        self._backoff = Backoff()
        self._wanted = asyncio.Event()
        self._wanted.set()  # not in ``run``: a call that started mmid is there before its task runs
        self._kick = asyncio.Event()
        self._attempt: asyncio.Task[Next] | None = None
        self._attempt_began = 0.0
        self._waits_for: Next | None = None
        self._resting = False
        self._told = ""
        self.conversation: Conversation | None = None

    async def prepare(self) -> None:
        """Import what an attempt needs, so that the first one need not."""
        await self._dialer.load()

    async def run(self) -> None:
        """Connect and keep connected, while that is wanted; runs until cancelled."""
        while True:
            await self._wanted.wait()
            self._kick.clear()
            self._resting = False
            self._attempt_began = asyncio.get_running_loop().time()
            self._attempt = asyncio.create_task(self._try_once(), name="mmid-attempt")
            try:
                following = await self._attempt
            except asyncio.CancelledError:
                if _being_cancelled():
                    raise
                # Not we were cancelled, but the attempt: by Disconnect, or for other settings.
                self._moved("offline", "settings" if self._wanted.is_set() else "Disconnect")
                continue
            if self._kick.is_set():
                continue
            if self._resting:
                await self._kick.wait()
            else:
                await self._pause(following)

    def connect(self) -> None:
        """Want a connection, now, whatever was waited for; one that is there will do."""
        self._wanted.set()
        if not self.stays_connected:
            self._kick.set()

    def hurry(self) -> bool:
        """Somebody wants to talk: make the next attempt now rather than later.

        Returns:
            Whether an attempt is under way or near; False if only ``connect`` could help.
        """
        if not self._wanted.is_set() or self._waits_for not in {None, Next.RETRY}:
            return False
        if self._resting:
            self._kick.set()
            return True
        since = asyncio.get_running_loop().time() - self._attempt_began
        if self._waits_for is Next.RETRY and since >= _HURRY_S:
            self._kick.set()
        return True

    def rest(self) -> None:
        """Leave the cloud until somebody wants to talk (``hurry``), or asks for a connection."""
        if self.conversation is not None:
            self._resting = True
            self.conversation.leave()

    @property
    def stays_connected(self) -> bool:
        """Whether there is a connection, and it is not about to end."""
        return self.conversation is not None and not self.conversation.ending

    @property
    def in_turn(self) -> bool:
        """Whether somebody talks, or waits for an answer."""
        return self.conversation is not None and self.conversation.dialect.in_turn

    def describe(self) -> str:
        """Say in a line what stands between us and a credential, or the cloud; empty: nothing."""
        rests = "nobody talks: the next press connects again" if self._resting else ""
        return self._access.describe() or rests

    def disconnect(self) -> None:
        """Hold the connection down until ``connect``."""
        self._wanted.clear()
        self._kick.set()
        if self._resting:
            self._resting = False  # no press connects any more
            self._status.tell_again()
        if self.conversation is not None:
            self.conversation.leave()
        elif self._attempt is not None:
            self._attempt.cancel()

    def register(self) -> None:
        """Try again after a refusal, and tell again what comes of it."""
        self._forgive()
        self.connect()

    def authorized(self) -> None:
        """In the dialog, the cloud has said that this device may use it."""
        self._access.authorized()

    def refused(self, error: MmidError) -> None:
        """In the dialog, the cloud has refused this device; it closes with the same error."""
        self._access.after(error)

    def clock_set(self) -> None:
        """The time is another now: what was refused for its sake is tried again.

        A certificate that was not valid yet is one reason more, and no refusal.
        """
        if self._access.clock_refused:
            self._forgive()
            if self._wanted.is_set():
                self.connect()
        elif not self._resting:
            self.hurry()

    def use(self, settings: Settings) -> None:
        """Make the next attempt by other settings; see ``restart``.

        What they lead to is told even if those before led to the same.
        """
        self._told = ""
        self._dialer.use(settings)
        self._access.use(settings)
        if self.conversation is None and self._attempt is not None:
            self._attempt.cancel()  # it would go on by the settings before
        if self._waits_for is Next.HOURS:
            self._kick.set()  # what was refused may be another now

    @property
    def work_mode(self) -> WorkMode:
        """The work mode of this connection or, after ``set_work_mode``, of the next."""
        return self._work_mode

    def set_work_mode(self, mode: WorkMode) -> None:
        """Hold the dialog in another work mode from the next connection on; see ``restart``."""
        self._work_mode = mode
        self._status.update(work_mode=mode)

    @property
    def pressed_mode(self) -> bool:
        """Whether a press opens the microphone in the present work mode; else it is open."""
        return self._work_mode != "duplex"

    def restart(self, why: str) -> None:
        """End the conversation politely and begin another at once.

        Args:
            why: what cuts a turn under way, to tell whoever is in it.
        """
        self._kick.set()
        if self.conversation is not None:
            self.conversation.leave(why)

    def forget(self) -> None:
        """The device record was erased."""
        self._access.forget()

    async def stop(self) -> None:
        """End politely, in bounded time. ``run`` is to be cancelled afterwards."""
        attempt = self._attempt
        self.disconnect()
        if attempt is not None:
            await asyncio.wait({attempt}, timeout=_LEAVE_S)
        await self._access.see_through()

    async def _try_once(self) -> Next:
        """Make one attempt; return what follows it."""
        try:
            return await self._talk()
        except MmidError as error:
            opinion = self._access.after(error)
            if opinion is Next.RETRY and isinstance(error, CredentialRefused):
                self._moved("offline", error.code)
                _log.info("%s; another one is fetched", error)
            else:
                self._report(error)
            return opinion or what_follows(error)
        finally:
            self._status.update(state=State.OFFLINE, connected=False)

    def _forgive(self) -> None:
        self._told = ""
        self._access.forgive()

    def _moved(self, stage: str, cause: str) -> None:
        self._host.perform(Moved(stage, cause))

    async def _talk(self) -> Next:
        self._status.update(state=State.CONNECTING)
        self._moved("connecting", f"attempt {self._backoff.attempts + 1}")
        await self._await_clock()
        credential = await self._access.credential()
        began = asyncio.get_running_loop().time()
        try:
            self._host.perform(Emit(DataInit()))
            self._moved("dialling", "credential")
            self.conversation = await self._dialer.dial(credential, self._how, self._host)
            self._kick.clear()  # whoever asked for a connection until now has it
            self._access.accepted()
            close = await self.conversation.run()
        finally:
            if ready := self.conversation is not None and self.conversation.ready:
                self._backoff.succeeded(asyncio.get_running_loop().time() - began)
                self._told = ""
            self.conversation = None
            self._access.ended()
            self._host.perform(Emit(DataDeinit()))
        if close.error is None:
            self._moved("offline", "ended politely")
            _log.info("the dialog ended")
            return close.next
        # Of one that ended without a word the dialect has told, of one in use whoever used it.
        unheard = isinstance(close.error, ClosedUnheard)
        if isinstance(close.error, ConnectionLost) and not (ready or unheard):
            self._report(close.error)
        else:
            self._moved("offline", close.error.code)
            _log.warning("the dialog ended: %s", close.error, extra=close.error.journal_fields)
        return self._access.after(close.error) or close.next

    def _how(self) -> tuple[WorkMode, str]:
        """How a connection goes on: the work mode, and the dialog or nothing."""
        return self._work_mode, self._dialog_id()

    async def _await_clock(self) -> None:
        if not self._clock.synchronized:
            self._status.update(clock_synchronized=False)
            self._moved("waiting", "clock not set")
            self._report(
                ClockNotSet("the clock is not set: waiting for it before signing anything")
            )
            await self._clock.wait_synchronized()
            _log.info("the clock is set")
        self._status.update(clock_synchronized=True)

    def _report(self, error: MmidError) -> None:
        """Tell a failed attempt: each kind once in an outage, in the journal and as Error."""
        self._moved("offline", error.code)
        if isinstance(error, ConnectionLost) and self._backoff.attempts < _TELL_OUTAGE_AT - 1:
            _log.info("no connection: %s", error)
            return
        kind = f"{type(error).__name__} {error.code}"
        again, self._told = kind == self._told, kind
        level = logging.DEBUG if again else logging.WARNING
        remedy = "" if isinstance(error, LicenseRefused) else f". {error.remedy}"
        _log.log(level, "%s%s", error, remedy, extra=error.journal_fields)
        if not again:
            self._host.perform(Emit(Error(error.code, str(error), error.advice)))

    async def _pause(self, following: Next) -> None:
        """Wait for the next attempt, or for somebody who wants it now."""
        wait = self._wait_s(following)
        self._access.waiting(wait)
        if wait is None and not self._access.clock_refused:
            _log.warning("not trying again by itself: correct it, then call Register")
        elif wait is not None:
            _log.debug("next attempt in %.1f s", wait)
        self._waits_for = following
        try:
            async with asyncio.timeout(wait):
                await self._kick.wait()
        except TimeoutError:
            return
        finally:
            self._waits_for = None

    def _wait_s(self, following: Next) -> float | None:
        match following:
            case Next.RETRY:
                return self._backoff.next_wait()
            case Next.LATER:
                return self._backoff.longest_wait()
            case Next.HOURS:  # a relay may name a second, again and again
                return max(self._access.long_wait_s(), self._backoff.next_wait())
            case Next.STOP:
                return None


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
