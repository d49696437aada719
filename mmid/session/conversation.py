"""One connection's life: a dialect, its link, and the time between them.

Feeds the dialect with frames and the time, sends what it wants sent, and hands every other
effect to the host. The reader is a task, and so is a ping where the cloud wants one. A timer is
armed for the dialect's deadline only, so an idle connection wakes for its heartbeat alone.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from mmid.errors import MmidError
from mmid.events import Error
from mmid.secrets import redact
from mmid.session.dialects.dialect import Dialect, Function
from mmid.session.effects import (
    Close,
    Effect,
    Effects,
    Emit,
    Next,
    Note,
    Play,
    Send,
    SendAudio,
    SpeechDropped,
    what_follows,
)
from mmid.session.endpoint import LinkClosed, unforeseen

if TYPE_CHECKING:  # the daemon is ready before these are imported
    from mmid.session.link import Link
    from mmid.session.outbox import Outbox

_log = logging.getLogger(__name__)

# A polite end may take this long until its last message has left.
_FLUSH_S = 0.7

# The timer may fire so long before anything is due; then it is armed again.
_EARLY_S = 5.0


class Host(Protocol):
    """Who carries out the effects that are not the connection's own."""

    def perform(self, effect: Effect) -> None:
        """Carry out one effect."""

    @property
    def full(self) -> bool:
        """Whether the loudspeaker's ring takes no more: then the reader waits for ``room``."""

    async def room(self) -> None:
        """Return when the loudspeaker's ring takes more."""

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
        ping_s: how often to ping the cloud, and how long to wait for its answer; 0: never.
        wire_log: write text frames at level debug, as the dialect lets them be seen.
    """

    def __init__(
        self,
        dialect: Dialect,
        link: "Link",
        outbox: "Outbox",
        host: Host,
        *,
        ping_s: float = 0.0,
        wire_log: bool = False,
    ) -> None:
        self.dialect = dialect
        self._link = link
        self._outbox = outbox
        self._host = host
        self._ping_s = ping_s
        self._wire_log = wire_log
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._unread_until = -inf  # when we read on, after the loudspeaker was full
        self._close: asyncio.Future[Close] = self._loop.create_future()

    async def run(self) -> Close:
        """Talk until the connection ends; return why, and what should follow."""
        self._link.on_writable(self._send)
        tasks = [asyncio.create_task(self._read(), name="mmid-reader")]
        if self._ping_s:
            tasks.append(asyncio.create_task(self._ping(), name="mmid-ping"))
        try:
            self.perform(self.dialect.begin(self._loop.time()))
            ends: set[asyncio.Future[Any]] = {*tasks, self._close}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._notice_failures(tasks)
            await self._flush()
            return self._close.result()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._carry_out(self._understood(self.dialect.closed, None, ""))
            await self._link.close()

    def leave(self, why: str = "") -> None:
        """End politely, and tell a turn under way ``why``: ``Dialect.end``. ``run`` ends soon."""
        self.perform(self.dialect.end(self._loop.time(), why))

    # --- what people and the board do -----------------------------------------------------
    #
    # These are the dialect's, see ``Dialect`` for what each does and raises: here they get the
    # time, and what the dialect wants is carried out.

    @property
    def ready(self) -> bool:
        """Whether the cloud took speech at least once on this connection."""
        return self.dialect.reached_listening

    @property
    def ending(self) -> bool:
        """Whether it has ended, or is about to."""
        return self._close.done()

    def check_speech(self) -> None:
        self.dialect.check_speech()

    def start_speech(self) -> None:
        self.perform(self.dialect.start_speech(self._loop.time()))

    def stop_speech(self) -> None:
        self.perform(self.dialect.stop_speech(self._loop.time()))

    def cancel_speech(self) -> None:
        self.perform(self.dialect.cancel_speech(self._loop.time()))

    def interrupt(self) -> None:
        self.perform(self.dialect.interrupt(self._loop.time()))

    def ask(self, text: str, **more: Any) -> None:
        self._outbox.check_room()  # Busy also if the network does not keep up with texts
        self.perform(self.dialect.ask(text, self._loop.time(), **more))

    def say(self, text: str) -> None:
        self.perform(self.dialect.say(text, self._loop.time()))

    def update_info(self, **more: Any) -> None:
        self._outbox.check_room()
        self.perform(self.dialect.update_info(self._loop.time(), **more))

    def offer_functions(self, functions: Sequence[Function]) -> None:
        self.perform(self.dialect.offer_functions(functions, self._loop.time()))

    def tool_result(self, call_id: str, result: str) -> None:
        self.perform(self.dialect.tool_result(call_id, result, self._loop.time()))

    def recorder_failed(self) -> None:
        self.perform(self.dialect.recorder_failed(self._loop.time()))

    def playback_started(self) -> None:
        self.perform(self.dialect.playback_started(self._loop.time()))

    def playback_finished(self) -> None:
        self.perform(self.dialect.playback_finished(self._loop.time()))

    def playback_failed(self) -> None:
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
                    if self._link.writable and self._outbox.is_next(effect):
                        self._send_speech(effect)
                    elif dropped := self._outbox.put_speech(effect):
                        self._host.speech_dropped(dropped)
                case Send(text):
                    self._trace(">", text)
                    self._put_text(effect)
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
        self._send()

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
        # The timer stays as it is: no deadline comes nearer by speech, see ``Dialect.record``.
        self._carry_out(effects)

    def _put_text(self, message: Send) -> None:
        try:
            self._outbox.put_text(message)
        except MmidError as error:
            self._end(Close(error, what_follows(error)))

    def _end(self, close: Close) -> None:
        if not self._close.done():
            self._close.set_result(close)

    def _notice_failures(self, tasks: list[asyncio.Task[None]]) -> None:
        """See why reader or ping ended, if one did; then it is clear what follows."""
        for task in tasks:
            error = task.exception() if task.done() else None
            if isinstance(error, LinkClosed):
                self._carry_out(
                    self._understood(self.dialect.closed, error.close_code, error.reason)
                )
            elif isinstance(error, MmidError):
                self._carry_out([Emit(Error(error.code, str(error)))])
                self._end(Close(error, what_follows(error)))
            elif error is not None:
                raise error
        self._end(Close(None, Next.RETRY))

    def _send(self) -> None:
        """Send what waits, for as long as the network takes it; the link calls this again."""
        while self._outbox and self._link.writable:
            message = self._outbox.get()
            if isinstance(message, Send):
                self._link.send(message.text)
            else:
                self._send_speech(message)

    def _send_speech(self, speech: SendAudio) -> None:
        self._link.send(self.dialect.speech_frame(speech.data))
        self._host.speech_sent()

    async def _flush(self) -> None:
        """Let the last messages leave."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_S):
                while len(self._outbox):
                    await self._link.drain()
                    self._send()

    async def _read(self) -> None:
        while True:
            await self._link.receive(self._take)
            self._unread_until = inf
            await self._host.room()
            self._unread_until = self._loop.time()

    def _take(self, message: str | bytes) -> bool:
        """Obey what the cloud sent; return whether the loudspeaker has room for what follows."""
        if isinstance(message, str):
            self._trace("<", message)
            effects = self._understood(self.dialect.receive_text, message)
        else:
            effects = self._understood(self.dialect.receive_binary, message)
        if len(effects) == 1 and isinstance(effects[0], Play):
            # Most messages are sound in mid-reply: it puts deadlines off, ``_tick`` sees to that.
            self._host.perform(effects[0])
        else:
            self.perform(effects)
        return Play not in map(type, effects) or not self._host.full

    def _understood(self, take: Callable[..., Effects], *received: Any) -> Effects:
        """Return what follows from what the cloud sent, or did not, whatever that does to our code.

        An exception that is not ours is a case that nobody thought of: for this connection it
        is malformed input, and no reason to end the daemon, or to be without a timer.
        """
        try:
            return take(*received, self._loop.time())
        except Exception as error:  # noqa: BLE001 - see above
            told = unforeseen("what the cloud sent", error)
            return [Emit(Error(told.code, str(told))), Close(told, what_follows(told))]

    async def _ping(self) -> None:
        """Ask whether the cloud lives, now and then; one that does not answer is gone.

        Unless we did not read: behind the sound of a long reply, which waits for the
        loudspeaker, an answer may wait for minutes.
        """
        while True:
            await asyncio.sleep(self._ping_s)
            asked = self._loop.time()
            try:
                async with asyncio.timeout(self._ping_s):
                    await self._link.ping()
            except TimeoutError:
                if self._unread_until < asked:
                    raise LinkClosed from None
                continue
            self.perform(self._understood(self.dialect.pong))

    def _arm(self) -> None:
        """Arm the timer, unless it fires early enough: most deadlines move away, not near.

        One that would fire much too early is armed anew. Otherwise each heartbeat at rest had a
        second wake-up, for an answer that came long ago.
        """
        deadline = inf if self._close.done() else self.dialect.deadline
        if self._timer is not None:
            if deadline - _EARLY_S < self._timer.when() <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline < inf:
            self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.perform(self._understood(self.dialect.tick))

    def _trace(self, direction: str, text: str) -> None:
        if self._wire_log:
            _log.debug("wire %s %s", direction, redact(self.dialect.trace(text)))
