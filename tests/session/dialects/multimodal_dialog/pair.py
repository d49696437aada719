"""The dialect and mmid-simcloud's side of the protocol, both pure, in a time of their own.

An hour of dialog takes a second. The board between them is as simple as can
be: a microphone of 100 ms chunks, and a loudspeaker that plays in real time.
"""

from array import array
from heapq import heappop, heappush
from itertools import count
from math import inf, sin

from mmid.errors import CallerError
from mmid.events import Event
from mmid.session.dialects.multimodal_dialog.stages import Stage
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
)
from mmid.simcloud.core import actions
from mmid.simcloud.core.scenario import Scenario, ScenarioRun
from mmid.simcloud.multimodal_dialog.protocol import Account, DialogProtocol
from mmid.simcloud.multimodal_dialog.vocabulary import VOCABULARY
from tests.rig.dialog_settings import dialog_settings
from tests.session.dialects.multimodal_dialog.trace import dialect
from tests.session.dialects.multimodal_dialog.witness import Witness

_CHUNK_S = 0.1
_CHUNK = 3200  # bytes of 16 kHz
_VOICE = array("h", (int(8000 * sin(index * 0.2)) for index in range(_CHUNK // 2))).tobytes()
_REPLY_BYTES_PER_S = 48000
_REPLY = bytes(range(250)) * 288  # 1.5 s


class Pair:
    """A connection, its cloud, and the board.

    Args:
        mode: the work mode.
        delay_s: how long a frame is on its way.

    Attributes:
        now: what time it is, in both.
        voice: somebody speaks into the room.
        events: what was told.
        sent: the directives and frames of audio sent.
        closed: why the connection was closed, if it was.
    """

    def __init__(
        self, mode: str, *, delay_s: float = 0.0, scenario: Scenario | None = None
    ) -> None:
        self.now = 0.0
        self.voice = self.pressed = False
        self.events: list[Event] = []
        self.sent: list[str] = []
        self.closed: Close | None = None
        self.witness = Witness(mode)
        self.dialect = dialect(
            dialog_settings(work_mode=mode),
            workspace_id="llm-1",
        )
        numbers = count(1)
        run = ScenarioRun(
            scenario or Scenario(),
            VOCABULARY,
            lambda _turn, _rate: _REPLY,
            lambda: f"00000000-0000-4000-8000-{next(numbers):012d}",
        )
        self._cloud = DialogProtocol(Account("mm_0123", "llm-1"), run, 0.0)
        self._delay_s = delay_s
        self._order = count()
        self._wire: list[tuple[float, int, bool, str | bytes]] = []  # True: towards the cloud
        self._chunk_at = self._drained_at = inf
        self._heard = self._finishing = False
        self._perform(self.dialect.begin(0.0))

    # --- what people do -------------------------------------------------------------------

    def press(self) -> None:
        """Press, as the gateway does it: the microphone first."""
        if not self.pressed and self._allowed():
            self.pressed, self.witness.microphone, self.witness.spoken = True, True, b""
            self._chunk_at = self.now
            self._perform(self.dialect.start_speech(self.now))

    def release(self, *, cancel: bool = False) -> None:
        """Release; a microphone that was closed already is nothing to release."""
        if self.pressed:
            self.pressed, self.witness.microphone, self._chunk_at = False, False, inf
            end = self.dialect.cancel_speech if cancel else self.dialect.stop_speech
            self._perform(end(self.now))

    def ask(self, text: str) -> bool:
        """Ask; return whether it was accepted."""
        try:
            effects = self.dialect.ask(text, self.now)
        except CallerError:
            return False
        self._perform(effects)
        return True

    def interrupt(self) -> None:
        """Interrupt."""
        self._perform(self.dialect.interrupt(self.now))

    def rests(self) -> bool:
        """Whether the cloud listens and nobody talks."""
        return self.dialect.machine.stage is Stage.LISTENING

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
            self.witness.spoken += chunk
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
            if isinstance(action, (actions.SendText, actions.SendReplyAudio)):
                frame = action.text if isinstance(action, actions.SendText) else action.data
                self._send(frame, towards_cloud=False)
                name = getattr(action, "name", "")
                fields = getattr(action, "fields", {})
                line = f"state {fields.get('state')}" if name == "DialogStateChanged" else name
                self._hear(line)
            assert not isinstance(action, actions.CloseSocket), f"the cloud refused: {done}"

    def _hear(self, line: str) -> None:
        if self._delay_s == 0:  # else the witness would know it too early
            self.witness.hear(line, self.now)

    # --- the board ------------------------------------------------------------------------

    def _perform(self, effects: list[Effect]) -> None:
        """Carry out what the dialect wants."""
        for effect in effects:
            if self._delay_s == 0:
                self.witness.see(effect, self.now)
            match effect:
                case Send(text):
                    self.sent.append("text")
                    self._send(text, towards_cloud=True)
                case SendAudio(data):
                    self.sent.append("audio")
                    for start in range(0, len(data), _CHUNK):
                        self._send(data[start : start + _CHUNK], towards_cloud=True)
                case Emit(event):
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
                self._drained_at = start + len(data) / _REPLY_BYTES_PER_S
                if not self._heard:
                    self._heard = True
                    self._perform(self.dialect.playback_started(self.now))
            case FinishPlayer():
                self._finishing = True
            case FlushPlayer():
                self._finishing = False
