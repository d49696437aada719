"""The microphone: who holds it, and where what it records goes.

One client at a time holds it, from its press to its release. A press opens it
before anything else, so the first syllable is there whatever the cloud still has
to allow. A press that comes before the dialog is ready (the board was just
switched on, or the connection broke a second ago) waits a little for it, and what
is said meanwhile is kept and sent first. In duplex nobody presses: the dialog
opens the microphone for as long as it is connected.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mmid.errors import (
    AudioDeviceFailed,
    Busy,
    CallerError,
    MmidError,
    NetworkTooSlow,
    NotReady,
    NotTalking,
    Unsupported,
)
from mmid.hal import Recorder
from mmid.session.backlog import BACKLOG_S, Backlog
from mmid.session.conversation import Conversation
from mmid.session.supervisor import Supervisor
from mmid.settings import Dialog
from mmid.status import Status

_log = logging.getLogger(__name__)


class WaitedInVain(NotReady):
    """No dialog was ready in time for a press that came early."""


@dataclass(slots=True, eq=False)
class _EarlyPress:
    """What waits for the dialog: the answer to the press, its time-out, and what was said."""

    accepted: asyncio.Future[None]
    timeout: asyncio.TimerHandle
    speech: Backlog


@dataclass(slots=True, eq=False)
class _Press:
    """One client's press, until its speech was stopped or cancelled.

    Attributes:
        client: who pressed.
        held: the microphone is open for it.
        released: its client wants no more of it; it is held until all that was said is here.
        early: what waits for the dialog; None once it has the press.
        limit: ends it after so long as its client wished, if it wished so.
    """

    client: str
    held: bool = True
    released: bool = False
    early: _EarlyPress | None = None
    limit: asyncio.TimerHandle | None = None


class Microphone:
    """Lends the recorder, is its listener, and leads a press to the dialog.

    Args:
        recorder: the device.
        dialog: how long a press may wait, and how fast speech comes.
        status: shows who holds it, and what was lost.
        supervisor: returns who has the conversation.
        tell: makes an error known that no caller is told.

    Attributes:
        recorder: the device, for what it says of itself.
    """

    def __init__(
        self,
        recorder: Recorder,
        dialog: Dialog,
        status: Status,
        supervisor: Callable[[], Supervisor],
        tell: Callable[[MmidError], None],
    ) -> None:
        self.recorder = recorder
        self._dialog = dialog
        self._status = status
        self._supervisor = supervisor
        self._tell = tell
        self._press: _Press | None = None
        self._sink: Callable[[bytes], None] = _nowhere
        self._failure = ""
        self._dropped_bytes = 0
        self._loss_told = False

    @property
    def holder(self) -> str:
        """The client that holds it; empty if nobody does."""
        return self._press.client if self._press and self._press.held else ""

    # --- what a client wants --------------------------------------------------------------

    def press(self, client: str, max_s: float = 0.0, preroll_ms: int = 0) -> Awaitable[None] | None:
        """Open it for a client, for so many seconds at most if it is not 0.

        ``preroll_ms``: what a tap heard so long before goes first.
        """
        waiting = self._press_for(client, preroll_ms)
        if max_s and self._press is not None and self._press.limit is None:
            loop = asyncio.get_running_loop()
            self._press.limit = loop.call_later(max_s, self._time_is_up, self._press)
        return waiting

    def _press_for(self, client: str, preroll_ms: int) -> Awaitable[None] | None:
        if self._press and self._press.held and self._press.released:
            self._end_press()  # somebody speaks again already
        press, conversation = self._press, self._conversation
        if press and press.held and press.client == client:
            return asyncio.shield(press.early.accepted) if press.early else None
        if self.holder:
            raise Busy(f"{self.holder} holds the microphone")
        if press and press.early:
            raise Busy(f"a speech of {press.client} waits for the dialog")
        if conversation is None or not conversation.ready:
            return self._press_early(client, preroll_ms)
        try:
            conversation.check_speech()
        except NotReady:  # it is being left, for another connection
            return self._press_early(client, preroll_ms)
        said_before: list[bytes] = []
        self._lend(client, said_before.append, preroll_ms)
        self._sink = conversation.record
        conversation.start_speech()
        for chunk in said_before:
            conversation.record(chunk, early=True)
        return None

    def release(self, client: str) -> None:
        """Close it; what was said is answered.

        Whoever lost it to the cloud, which ended the speech, may release it once more:
        the two may cross on the way.

        Raises:
            NotTalking: the client does not hold it, or has released it already.
        """
        press = self._press_of(client)
        if press.released and (press.held or press.early):
            raise NotTalking(f"{client} has released the microphone already")
        if press.held:
            press.released = True
            self.recorder.release(self._end_press)
        elif press.early:
            press.released = True  # its time was up before; the dialog has yet to get it
        else:
            self._press = None

    def cancel(self, client: str) -> None:
        """Close it and forget what was said.

        Raises:
            NotTalking: the client does not hold it, and no press of it waits.
        """
        press = self._press_of(client)
        if press.early:
            self.refuse(NotReady("the speech was cancelled before the dialog was ready"))
        elif press.held:
            self._shut()
            if conversation := self._conversation:
                conversation.cancel_speech()
        self._press = None

    def left(self, client: str) -> None:
        """A client left the bus; if it held the microphone, what it said is nobody's.

        Unless it had released it: then the end of what it said need not be waited for.
        """
        if self.holder != client:
            return
        if self._press_of(client).released:
            self._end_press()
        else:
            _log.info("%s left the bus while talking; its speech is cancelled", client)
            self.cancel(client)

    def refuse(self, error: MmidError) -> None:
        """Refuse the press that waits, if one does, and forget what was said."""
        press = self._press
        if press is None or press.early is None:
            return
        press.early.timeout.cancel()
        press.early.accepted.set_exception(error)
        press.early.accepted.exception()  # asyncio complains if the caller has given up waiting
        press.early = None
        if press.held:
            self._shut()
        if press.released:  # otherwise its release is still to come, and is no error
            self._press = None

    # --- what the dialog wants ------------------------------------------------------------

    def open(self) -> None:
        """Open it for the dialog, if it is not open; nobody holds it."""
        conversation = self._conversation
        try:
            sink = conversation.record if conversation else _nowhere
            self._start(sink, beside_replies=True)
        except AudioDeviceFailed as error:
            self.recorder_failed(error)

    def close(self) -> None:
        """Close it: the dialog takes no more. A press that waits is for the next dialog."""
        if not (self._press and self._press.early):
            self._shut()

    def dialog_ready(self) -> None:
        """The dialog takes speech now: hand it the press that waited, and what was said since."""
        press, conversation = self._press, self._conversation
        if press is None or press.early is None or conversation is None:
            return
        try:
            conversation.start_speech()
        except NotReady:
            return  # lost again already; the press waits on
        except CallerError as error:
            self.refuse(error)
            return
        early, press.early = press.early, None
        early.timeout.cancel()
        early.accepted.set_result(None)
        for chunk in early.speech.drain():
            conversation.record(chunk, early=True)
        if press.held:
            self._sink = conversation.record
            return
        if press.released:  # otherwise its time was up, and its release is still to come
            self._press = None
        conversation.stop_speech()

    def dropped(self, count: int) -> None:
        """Count bytes of speech that had to go; tell of it once while it is open."""
        self._dropped_bytes += count
        self._status.update(speech_dropped_bytes=self._dropped_bytes)
        if not self._loss_told:
            self._loss_told = True
            text = "the network or the cloud is slower than speech: some of it is lost"
            self._tell(NetworkTooSlow(text))

    # --- what the recorder says -----------------------------------------------------------

    def recorder_audio(self, data: bytes) -> None:
        self._sink(data)

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        # The dialog tries a microphone that is away again and again: one failure is news once.
        if str(error) != self._failure:
            self._tell(error)
        self._failure = str(error)
        self.refuse(error)
        self._shut()
        if conversation := self._conversation:
            conversation.recorder_failed()

    # --- inside ---------------------------------------------------------------------------

    @property
    def _conversation(self) -> Conversation | None:
        return self._supervisor().conversation

    def _press_of(self, client: str) -> _Press:
        if self._press is None or self._press.client != client:
            holder = self.holder or "nobody"
            raise NotTalking(f"{client} does not hold the microphone, {holder} does")
        return self._press

    def _press_early(self, client: str, preroll_ms: int) -> Awaitable[None]:
        """Record already, if there is hope that the dialog is ready in time."""
        supervisor, wait_s = self._supervisor(), self._dialog.press_wait_s
        if not supervisor.pressed_mode:
            mode = supervisor.work_mode
            raise Unsupported(f"in {mode} the microphone is open whenever the dialog is connected")
        if not (wait_s and supervisor.hurry()):
            raise NotReady(f"no dialog is connected: {self._status.state}")
        speech = Backlog(int(BACKLOG_S * self._dialog.speech_bytes_per_s))

        def keep(data: bytes) -> None:
            if dropped := speech.push(data):
                self.dropped(dropped)

        press = self._lend(client, keep, preroll_ms)
        loop = asyncio.get_running_loop()
        too_late = WaitedInVain(f"no dialog was ready within {wait_s:g} s")
        timeout = loop.call_later(wait_s, self.refuse, too_late)
        press.early = _EarlyPress(loop.create_future(), timeout, speech)
        return asyncio.shield(press.early.accepted)

    def _lend(self, client: str, sink: Callable[[bytes], None], preroll_ms: int) -> _Press:
        self._start(sink, preroll_ms=preroll_ms)
        self._press = _Press(client)
        self._status.update(talker=client)
        return self._press

    def _start(
        self, sink: Callable[[bytes], None], *, beside_replies: bool = False, preroll_ms: int = 0
    ) -> None:
        self._sink = sink
        self._loss_told = False
        if not self.recorder.recording:
            self.recorder.start(self, beside_replies=beside_replies, preroll_ms=preroll_ms)
        self._failure = ""

    def _end_press(self) -> None:
        """All that was said is here: close the microphone and have it answered."""
        press = self._press
        self._shut()
        if press and press.early is None:  # otherwise the dialog gets the release with the press
            self._press = None
            if conversation := self._conversation:
                conversation.stop_speech()

    def _time_is_up(self, press: _Press) -> None:
        """A press has lasted as long as its client wished: end it, as if it had been released."""
        if press is self._press and press.held and not press.released:
            self.recorder.release(self._end_in_time)

    def _end_in_time(self) -> None:
        press = self._press
        if press is None or not press.held:
            return
        self._shut()  # its release is still to come, and is no error
        if press.early is None and (conversation := self._conversation):
            conversation.stop_speech()

    def _shut(self) -> None:
        """Have the rest of what was recorded passed on, and close it; nobody holds it any more."""
        self.recorder.stop()
        if self._press:
            self._press.held = False
            if self._press.limit is not None:
                self._press.limit.cancel()
        self._status.update(talker="", recorder_overruns=self.recorder.overruns)


def _nowhere(_: bytes) -> None:
    """Take what is recorded while there is no dialog."""
