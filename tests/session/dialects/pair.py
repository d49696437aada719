"""A dialect and simcloud's side of its protocol, both pure, in a time of their own.

An hour of dialog takes a second. The board between them is as simple as can
be: a microphone of 100 ms chunks, and a loudspeaker that plays in real time.
"""

from array import array
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import count
from math import inf, sin

from mmid.errors import CallerError
from mmid.events import Event
from mmid.session.dialects.dialect import Dialect
from mmid.session.effects import (
    Close,
    Effect,
    Emit,
    FinishPlayer,
    FlushPlayer,
    Play,
    Send,
    SendAudio,
    StartPlayer,
    StartRecorder,
    StopRecorder,
    ToolCall,
)
from mmid.simcloud.core import actions
from mmid.simcloud.core.connection import ClientProtocol

_CHUNK_S = 0.1
_CHUNK = 3200  # bytes of 16 kHz
_VOICE = array("h", (int(8000 * sin(index * 0.2)) for index in range(_CHUNK // 2))).tobytes()


class Pair:
    """A connection, its cloud, and the board.

    Args:
        dialect: our side, at the time 0.
        cloud: the other side.
        delay_s: how long a frame is on its way.
        reply_bytes_per_s: how fast the loudspeaker plays.

    Attributes:
        now: what time it is, in both.
        voice: somebody speaks into the room.
        pressed: a press holds the microphone.
        events: what was told.
        sent: the texts and frames of audio sent.
        recorded: what was recorded since the press.
        closed: why the connection was closed, if it was.
    """

    def __init__(
        self,
        dialect: Dialect,
        cloud: ClientProtocol,
        *,
        delay_s: float = 0.0,
        reply_bytes_per_s: int = 48000,
    ) -> None:
        self.now = 0.0
        self.voice = self.pressed = False
        self.events: list[Event] = []
        self.sent: list[str] = []
        self.recorded = b""
        self.closed: Close | None = None
        self.dialect = dialect
        self._cloud = cloud
        self._delay_s = delay_s
        self._reply_bytes_per_s = reply_bytes_per_s
        self._order = count()
        self._wire: list[tuple[float, int, bool, str | bytes]] = []  # True: towards the cloud
        self._chunk_at = self._drained_at = inf
        self._heard = self._finishing = False
        self._perform(self.dialect.begin(0.0))

    # --- what a test may watch ------------------------------------------------------------

    def see(self, effect: Effect) -> None:
        """An effect of the dialect is carried out."""

    def hear(self, action: actions.Action) -> None:
        """The cloud does something."""

    # --- what people do -------------------------------------------------------------------

    def press(self) -> None:
        """Press, as the gateway does it: the microphone first."""
        if not self.pressed and self._allowed():
            self.pressed, self.recorded = True, b""
            self._chunk_at = self.now
            self._perform(self.dialect.start_speech(self.now))

    def release(self, *, cancel: bool = False) -> None:
        """Release; a microphone that was closed already is nothing to release."""
        if self.pressed:
            self.pressed, self._chunk_at = False, inf
            end = self.dialect.cancel_speech if cancel else self.dialect.stop_speech
            self._perform(end(self.now))

    def ask(self, text: str, images: Sequence[bytes] = ()) -> bool:
        """Ask; return whether it was accepted."""
        try:
            effects = self.dialect.ask(text, self.now, images=images)
        except CallerError:
            return False
        self._perform(effects)
        return True

    def say(self, text: str) -> None:
        """Have a text spoken."""
        self._perform(self.dialect.say(text, self.now))

    def answer(self, call_id: str, result: str) -> None:
        """Answer the call of a function."""
        self._perform(self.dialect.tool_result(call_id, result, self.now))

    def interrupt(self) -> None:
        """Interrupt."""
        self._perform(self.dialect.interrupt(self.now))

    def _allowed(self) -> bool:
        try:
            self.dialect.check_speech()
        except CallerError:
            return False
        return True

    # --- time -----------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let time go by on both sides and on the board."""
        end = self.now + seconds
        while (due := self._next()) <= end and self.closed is None:
            self.now = max(self.now, due)
            self._step()
        self.now = end

    def _next(self) -> float:
        arrival = self._wire[0][0] if self._wire else inf
        drained = self._drained_at if self._finishing else inf
        return min(arrival, self._chunk_at, drained, self.dialect.deadline, self._cloud.deadline)

    def _step(self) -> None:
        now = self.now
        if self._wire and self._wire[0][0] <= now:
            _, _, towards_cloud, frame = heappop(self._wire)
            self._deliver(frame, towards_cloud=towards_cloud)
        elif self._chunk_at <= now:
            self._chunk_at = now + _CHUNK_S
            chunk = _VOICE if self.voice else bytes(_CHUNK - 2) + b"\1\0"
            self.recorded += chunk
            self._perform(self.dialect.record(chunk, now))
        elif self._finishing and self._drained_at <= now:
            self._finishing = False
            self._perform(self.dialect.playback_finished(now))
        elif self.dialect.deadline <= now:
            self._perform(self.dialect.tick(now))
        else:
            self._obey(self._cloud.tick(now))

    def _deliver(self, frame: str | bytes, *, towards_cloud: bool) -> None:
        if towards_cloud:
            self._obey(
                self._cloud.text(frame, self.now)
                if isinstance(frame, str)
                else self._cloud.binary(frame, self.now)
            )
        elif isinstance(frame, str):
            self._perform(self.dialect.receive_text(frame, self.now))
        else:
            self._perform(self.dialect.receive_binary(frame, self.now))

    def _send(self, frame: str | bytes, *, towards_cloud: bool) -> None:
        arrival = self.now + self._delay_s
        heappush(self._wire, (arrival, next(self._order), towards_cloud, frame))

    def _obey(self, done: list[actions.Action]) -> None:
        """Carry out what the cloud wants."""
        for action in done:
            if isinstance(action, actions.SendText):
                self._send(action.text, towards_cloud=False)
            elif isinstance(action, actions.SendReplyAudio):
                self._send(action.text or action.head + action.data, towards_cloud=False)
            elif isinstance(action, actions.Drop):
                self._perform(self.dialect.closed(None, "", self.now))
            self.hear(action)

    # --- the board ------------------------------------------------------------------------

    def _perform(self, effects: list[Effect]) -> None:
        """Carry out what the dialect wants."""
        for effect in effects:
            self.see(effect)
            match effect:
                case Send(text):
                    self.sent.append("text")
                    self._send(text, towards_cloud=True)
                case SendAudio(data):
                    self.sent.append("audio")
                    for start in range(0, len(data), _CHUNK):
                        frame = self.dialect.speech_frame(data[start : start + _CHUNK])
                        self._send(frame, towards_cloud=True)
                case Emit(event) | ToolCall(told=event):  # no program is any function
                    self.events.append(event)
                case Close():
                    self.closed = effect
                case StartRecorder():
                    self._chunk_at = self.now
                case StopRecorder():
                    self.pressed, self._chunk_at = False, inf
                case _:
                    self._play(effect)

    def _play(self, effect: Effect) -> None:
        match effect:
            case StartPlayer():
                self._heard, self._finishing, self._drained_at = False, False, self.now
            case Play(data):
                start = max(self.now, self._drained_at)
                self._drained_at = start + len(data) / self._reply_bytes_per_s
                if not self._heard:
                    self._heard = True
                    self._perform(self.dialect.playback_started(self.now))
            case FinishPlayer():
                self._finishing = True
            case FlushPlayer():
                self._finishing = False
