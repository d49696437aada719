"""One connection's life: a dialect, its link, and the time between them.

Feeds the dialect with frames and the time, sends what it wants sent, and
hands every other effect to the host (the gateway). Three activities share a
task group: a reader, a writer, and a timer that is armed for the dialect's
deadline only, so an idle connection wakes for its heartbeat and nothing else.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from mmid.errors import MalformedMessage, MmidError
from mmid.events import Error
from mmid.secrets import redact
from mmid.session.dialects.dialect import Dialect
from mmid.session.effects import Close, Effect, Emit, Next, Note, Send, SendAudio, SpeechDropped

if TYPE_CHECKING:  # the daemon is ready before these are imported
    from mmid.session.link import Link
    from mmid.session.outbox import Outbox

__all__ = ["Conversation", "Host"]

_log = logging.getLogger(__name__)

# A polite end may take this long until its last message has left.
_FLUSH_S = 0.7


class Host(Protocol):
    """Who carries out the effects that are not the connection's own."""

    def perform(self, effect: Effect) -> None:
        """Carry out one effect."""

    async def room(self) -> None:
        """Return when the loudspeaker's ring takes more: the reader waits meanwhile."""

    def speech_sent(self) -> None:
        """A frame of speech went to the socket."""

    def speech_dropped(self, count: int) -> None:
        """So many bytes of speech were dropped: the network or the cloud is too slow for it."""


class Conversation:
    """Runs one dialect over one link until either ends.

    Args:
        dialect: the protocol's state machine.
        link: an open connection.
        outbox: what waits for the link.
        host: carries out the effects.
        wire_log: write text frames at level debug.
    """

    def __init__(
        self,
        dialect: Dialect,
        link: "Link",
        outbox: "Outbox",
        host: Host,
        *,
        wire_log: bool = False,
    ) -> None:
        self.dialect = dialect
        self._link = link
        self._outbox = outbox
        self._host = host
        self._wire_log = wire_log
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._close: asyncio.Future[Close] = self._loop.create_future()

    async def run(self) -> Close:
        """Talk until the connection ends; return why, and what should follow."""
        reader = asyncio.create_task(self._read(), name="mmid-reader")
        writer = asyncio.create_task(self._write(), name="mmid-writer")
        try:
            self.perform(self.dialect.begin(self._loop.time()))
            ends: set[asyncio.Future[Any]] = {reader, writer, self._close}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            outcome = self._outcome(reader, writer)
            await self._flush(writer)
            return outcome
        finally:
            if self._timer is not None:
                self._timer.cancel()
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            self.perform(self.dialect.lost(self._loop.time()))
            await self._link.close()

    def leave(self, why: str = "") -> None:
        """End politely; ``run`` returns soon.

        Args:
            why: what cut a turn under way, to tell whoever is in it; empty: nobody is told.
        """
        self.perform(self.dialect.end(self._loop.time(), why))

    # --- what people and the board do -----------------------------------------------------
    #
    # Each of these is the dialect's: what may be done when, and the errors raised, are
    # described there. Here they get the time, and what the dialect wants is carried out.

    @property
    def ready(self) -> bool:
        """Whether the cloud took speech at least once on this connection."""
        return self.dialect.reached_listening

    def check_speech(self) -> None:
        """Raise what ``start_speech`` would."""
        self.dialect.check_speech()

    def start_speech(self) -> None:
        """The microphone was opened by a press."""
        self.perform(self.dialect.start_speech(self._loop.time()))

    def stop_speech(self) -> None:
        """The microphone was closed: what was said is to be answered."""
        self.perform(self.dialect.stop_speech(self._loop.time()))

    def cancel_speech(self) -> None:
        """Forget what was said."""
        self.perform(self.dialect.cancel_speech(self._loop.time()))

    def interrupt(self) -> None:
        """Stop the reply, or drop the question that waits, and listen."""
        self.perform(self.dialect.interrupt(self._loop.time()))

    def ask(
        self,
        text: str,
        *,
        images: Sequence[bytes] = (),
        biz_params: Mapping[str, Any] | None = None,
    ) -> None:
        """Put a text to the model."""
        now = self._loop.time()
        self.perform(self.dialect.ask(text, now, images=images, biz_params=biz_params))

    def say(self, text: str) -> None:
        """Have a text spoken."""
        self.perform(self.dialect.say(text, self._loop.time()))

    def update_info(
        self,
        *,
        images: Sequence[bytes] = (),
        client_status: Mapping[str, Any] | None = None,
        biz_params: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell the cloud something about the board."""
        self.perform(
            self.dialect.update_info(
                self._loop.time(),
                images=images,
                client_status=client_status,
                biz_params=biz_params,
            )
        )

    def recorder_failed(self) -> None:
        """The microphone ended by itself, or could not be opened."""
        self.perform(self.dialect.recorder_failed(self._loop.time()))

    def playback_started(self) -> None:
        """The first sample of the reply can be heard."""
        self.perform(self.dialect.playback_started(self._loop.time()))

    def playback_finished(self) -> None:
        """The last sample of the reply was heard."""
        self.perform(self.dialect.playback_finished(self._loop.time()))

    def playback_failed(self) -> None:
        """The loudspeaker ended by itself."""
        self.perform(self.dialect.playback_failed(self._loop.time()))

    # --- carrying out ---------------------------------------------------------------------

    def perform(self, effects: list[Effect]) -> None:
        """Carry out what the dialect wants, in order, and arm its timer anew."""
        self._carry_out(effects)
        self._arm()

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendAudio():
                    if dropped := self._outbox.put_speech(effect):
                        self._host.speech_dropped(dropped)
                case Send(text):
                    self._trace(">", text)
                    self._put_text(text)
                case SpeechDropped(count):
                    self._host.speech_dropped(count)
                case Close():
                    self._end(effect)
                case Note(text):
                    _log.info("%s", text)
                case Emit(Error(code, message)):
                    _log.warning("%s: %s", code, message, extra={"MMID_CODE": code})
                    self._host.perform(effect)
                case _:
                    self._host.perform(effect)

    def record(self, data: bytes, *, early: bool = False) -> None:
        """Pass on what the microphone recorded.

        Args:
            data: samples, or a packet.
            early: it was recorded before the dialog was ready, and kept.
        """
        effects = self.dialect.record(data, self._loop.time())
        if early:
            effects = [
                SendAudio(effect.data, backlog=True) if isinstance(effect, SendAudio) else effect
                for effect in effects
            ]
        self._carry_out(effects)  # sound puts deadlines off: the timer sees it when it fires

    def _put_text(self, text: str) -> None:
        try:
            self._outbox.put_text(text)
        except MmidError as error:
            self._end(Close(error, Next.RETRY))

    def _end(self, close: Close) -> None:
        if not self._close.done():
            self._close.set_result(close)

    def _outcome(self, *tasks: asyncio.Task[None]) -> Close:
        if self._close.done():
            return self._close.result()
        for task in tasks:
            error = task.exception() if task.done() and not task.cancelled() else None
            if isinstance(error, MalformedMessage):
                self.perform([Emit(Error(error.code, str(error)))])
            if isinstance(error, MmidError):
                return Close(error, Next.RETRY)
            if error is not None:
                raise error
        return Close(None, Next.RETRY)

    async def _flush(self, writer: asyncio.Task[None]) -> None:
        """Let the last messages leave; the writer ends when the queue is empty."""
        if writer.done():
            return
        self._outbox.finish()
        await asyncio.wait({writer}, timeout=_FLUSH_S)

    async def _read(self) -> None:
        while True:
            frame = await self._link.receive()
            now = self._loop.time()
            if isinstance(frame, str):
                self._trace("<", frame)
                self.perform(self.dialect.receive_text(frame, now))
            else:
                self._carry_out(self.dialect.receive_audio(frame, now))  # as in ``record``
                await self._host.room()

    async def _write(self) -> None:
        while (frame := await self._outbox.get()) is not None:
            await self._link.send(frame)
            if not isinstance(frame, str):
                self._host.speech_sent()

    def _arm(self) -> None:
        """Arm the timer, unless it fires early enough: most deadlines move away, not near."""
        deadline = self.dialect.deadline
        if self._close.done() or deadline == inf:
            return
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.perform(self.dialect.tick(self._loop.time()))

    def _trace(self, direction: str, text: str) -> None:
        if self._wire_log:
            _log.debug("wire %s %s", direction, redact(text))
