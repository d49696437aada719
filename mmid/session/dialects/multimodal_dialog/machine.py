"""The ``multimodal-dialog`` state machine's memory and its moves.

A move changes the stage and returns the effects that go with it. What the
cloud says (``multimodal_dialog_events``) and what the board and its people
want (``multimodal_dialog``) are written in these moves.
"""

from math import inf

from mmid.errors import CloudRefused, ConnectionLost, MalformedMessage
from mmid.events import AsrEnd, Error, SpeechPrepare, SpeechRestart, SpeechStart, State, TtsEnd
from mmid.session.backlog import Backlog
from mmid.session.dialects.heartbeat import Heartbeat
from mmid.session.dialects.multimodal_dialog.directives import Frames
from mmid.session.dialects.multimodal_dialog.failures import after_failure
from mmid.session.dialects.multimodal_dialog.stages import STAGES, TURN_STAGES, Stage
from mmid.session.dialects.multimodal_dialog.turn import Floor, Turn
from mmid.session.effects import (
    Close,
    Effect,
    Emit,
    FlushPlayer,
    Send,
    SendAudio,
    Show,
    StopRecorder,
)

__all__ = ["Effects", "Machine"]

Effects = list[Effect]


class Machine:
    """The stage, what is remembered in it, and the moves between stages.

    Args:
        frames: writes our text frames.
        backlog: keeps speech until the cloud listens.
        listening_by: monotonic time by which the first Listening must have come.
    """

    def __init__(self, frames: Frames, backlog: Backlog, listening_by: float) -> None:
        self.frames = frames
        self.backlog = backlog
        self.stage, self.stage_deadline = Stage.STARTING, listening_by
        self.heartbeat = Heartbeat(listening_by)
        self.turn, self.floor = Turn(), Floor()
        self.malformed = 0
        self.reached_listening = False
        self._shown: State | None = STAGES[Stage.STARTING].state

    def enter(self, stage: Stage, now: float) -> Effects:
        """Go to a stage: its deadline begins, its state is shown if it is another."""
        facts = STAGES[stage]
        self.stage = stage
        self.stage_deadline = now + facts.deadline_s if facts.deadline_s else inf
        if facts.state is None or facts.state is self._shown:
            return []
        self._shown = facts.state
        return [Show(facts.state)]

    def lost(self, now: float, *, told: bool = False) -> Effects:
        """Close what is open; say so if somebody was in the middle of something."""
        if self.stage is Stage.CLOSED:
            return []
        in_turn = self.stage in TURN_STAGES | {Stage.TALKING, Stage.ASKING}
        effects: Effects = [StopRecorder(), FlushPlayer(), *self.close_turn()]
        if in_turn and not told:
            effects.append(Emit(Error("connection-lost", "the connection broke in mid-turn")))
        self.backlog.clear()
        return effects + self.enter(Stage.CLOSED, now)

    def fail(self, error: CloudRefused | ConnectionLost | MalformedMessage, now: float) -> Effects:
        """Give this connection up. A refusal was told already, with the cloud's own words."""
        refused = isinstance(error, CloudRefused)
        again = after_failure(error.code if refused else "")
        return [*self.lost(now, told=refused), Close(error, again)]

    def end_asr(self) -> Effects:
        """Announce the end of recognition if its start was announced."""
        if not self.turn.asr_open:
            return []
        self.turn.asr_open = False
        return [Emit(AsrEnd())]

    def close_turn(self) -> Effects:
        """Announce the end of whatever was announced to have started."""
        effects = self.end_asr()
        if self.turn.tts_open:
            self.turn.tts_open = False
            effects.append(Emit(TtsEnd()))
        return effects

    def end_speech(self, now: float) -> Effects:
        """Send StopSpeech; or, without permission yet, remember to."""
        if self.stage is not Stage.TALKING:
            self.floor.released = True
            return []
        stop = Send(self.frames.directive("StopSpeech"))
        return [stop, *self.enter(Stage.RECOGNISING, now)]

    def report_heard(self) -> Effects:
        """Send LocalRespondingStarted, once a reply."""
        if self.turn.heard:
            return []
        self.turn.heard = True
        return [Send(self.frames.directive("LocalRespondingStarted"))]

    def end_playback(self, now: float) -> Effects:
        """Send LocalRespondingEnded: the reply has arrived and the loudspeaker is done (O6)."""
        if self.stage is not Stage.PLAYING:
            return []
        effects = self.report_heard()
        effects.append(Send(self.frames.directive("LocalRespondingEnded")))
        return effects + self.enter(Stage.RESUMING, now)

    def ask_floor(self, now: float) -> Effects:
        """Leave the turn under way and want the cloud to listen."""
        if self.stage is Stage.ASKING:
            return []
        may_send = self.floor.ask(now, interrupted=self.stage in TURN_STAGES)
        effects: Effects = [FlushPlayer(), *self.close_turn(), *self.enter(Stage.ASKING, now)]
        return effects + (self.request_to_speak(now) if may_send else [])

    def request_to_speak(self, now: float) -> Effects:
        """Send RequestToSpeak; its stage's deadline counts from here."""
        self.floor.sent(now)
        self.enter(Stage.ASKING, now)
        return [Send(self.frames.directive("RequestToSpeak"))]

    def floor_withdrawn(self, now: float) -> Effects:
        """The cloud left Listening again: its permission has still to come."""
        if not self.floor.listening:
            return []  # of the turn we leave
        self.floor.listening = False
        return self.enter(Stage.ASKING, now)

    def take_floor(self, now: float) -> Effects:
        """The cloud listens to us: do what the floor was wanted for."""
        prepared: Effects = [Emit(SpeechPrepare())]
        self.turn = Turn()
        if self.floor.speech:
            return prepared + self.send_speech(now)
        if self.floor.request is not None:
            return prepared + self.send_request(*self.floor.request, now)
        return self.enter(Stage.LISTENING, now) + prepared

    def send_speech(self, now: float) -> Effects:
        """Send SendSpeech, then what was recorded before, then StopSpeech if it is over."""
        asked = self.stage is Stage.ASKING
        again = asked and self.floor.interrupted
        released = asked and self.floor.released
        effects: Effects = [Send(self.frames.directive("SendSpeech"))]
        effects += self.enter(Stage.TALKING, now)
        effects.append(Emit(SpeechRestart() if again else SpeechStart()))
        effects += [SendAudio(chunk, backlog=True) for chunk in self.backlog.drain()]
        return effects + (self.end_speech(now) if released else [])

    def send_request(self, kind: str, text: str, now: float) -> Effects:
        """Send RequestToRespond."""
        request = self.frames.directive("RequestToRespond", type=kind, text=text)
        return [Send(request), *self.enter(Stage.RECOGNISING, now)]
