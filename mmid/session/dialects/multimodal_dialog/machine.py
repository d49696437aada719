"""The ``multimodal-dialog`` state machine's memory and its moves.

A move changes the stage and returns the effects that go with it. What the
cloud says (``server_events``) and what the board and its people want
(``dialog``) are written in these moves.
"""

from collections import Counter
from math import inf

from mmid.errors import CloudRefused, ConnectionLost, MalformedMessage
from mmid.events import AsrEnd, Error, SpeechPrepare, SpeechRestart, SpeechStart, State, TtsEnd
from mmid.session.backlog import BACKLOG_S, Backlog
from mmid.session.dialects.heartbeat import HeartbeatTimer
from mmid.session.dialects.multimodal_dialog.directives import Frames
from mmid.session.dialects.multimodal_dialog.messages import AFTER_FAILURE, START_REFUSED
from mmid.session.dialects.multimodal_dialog.stages import FED, STAGES, TURN_STAGES, Stage
from mmid.session.dialects.multimodal_dialog.turn import Floor, Pace, ReplyText, Results, Turn
from mmid.session.dialects.multimodal_dialog.upload import TAIL_S, Upload
from mmid.session.dialects.open_microphone import OpenMicrophone
from mmid.session.dialects.silence import silence
from mmid.session.dialects.stages import WORK_MODES
from mmid.session.effects import (
    Close,
    Effects,
    Emit,
    FinishPlayer,
    FlushPlayer,
    Moved,
    Next,
    Note,
    Send,
    SendAudio,
    Show,
    StartRecorder,
    StopRecorder,
)
from mmid.settings import Dialog


class Machine:
    """The stage, what is remembered in it, and the moves between stages.

    Args:
        settings: the codec of the speech, the longest speech.
        work_mode: how one talks.
        frames: writes our text frames.
        listening_by: monotonic time by which the first Listening must have come.

    Attributes:
        cause: the input that is being obeyed, in a word, for the black box.
        resumes: Start names a dialog that was begun before, and the cloud has not confirmed it.
        left_round: the round that an interruption cut; its texts are stale.
    """

    def __init__(
        self, settings: Dialog, work_mode: str, frames: Frames, listening_by: float
    ) -> None:
        self.settings = settings
        self.mode, self.fed = WORK_MODES[work_mode], FED[work_mode]
        self.frames = frames
        self.backlog = Backlog(int(BACKLOG_S * settings.speech_bytes_per_s))
        self.upload, self.microphone = Upload(), OpenMicrophone()
        self.stage, self.stage_deadline = Stage.STARTING, listening_by
        self.heartbeat = HeartbeatTimer(listening_by)
        self.turn, self.floor, self.pace = Turn(), Floor(), Pace()
        self.results = Results()
        self.cause = self.left_round = ""
        self.malformed = 0
        self._ignored: Counter[str] = Counter()
        self.video_due = -inf
        self.reached_listening = self.resumes = False
        self._shown: State | None = STAGES[Stage.STARTING].state

    # --- stages ---------------------------------------------------------------------------

    def enter(self, stage: Stage, now: float) -> Effects:
        """Go to a stage: its deadline begins, its state is shown if it is another."""
        facts = STAGES[stage]
        moved: Effects = [] if stage is self.stage else [Moved(stage.value, self.cause)]
        if facts.attended and not STAGES[self.stage].attended:
            self.heartbeat.attend(now)
        self.stage = stage
        self.stay(now)
        if facts.state is None or facts.state is self._shown:
            return moved
        self._shown = facts.state
        return [*moved, Show(facts.state)]

    def stay(self, now: float) -> None:
        """Let the stage's deadline begin anew."""
        self.stage_deadline = now + self.longest_stay_s

    @property
    def longest_stay_s(self) -> float:
        """The present stage's deadline: the table's, or the setting's."""
        if self.stage is Stage.TALKING:
            return self.settings.max_speech_s
        return STAGES[self.stage].deadline_s or inf

    def new_turn(self) -> None:
        """Forget the last turn; in duplex the speech that goes on is part of the next."""
        talks_on = self.turn.asr_open and not self.mode.pressed
        reply = ReplyText(incremental=self.settings.incremental_response)
        self.turn = Turn(asr_open=talks_on, voice_until=self.turn.voice_until, reply=reply)

    def note_once(self, what: str, example: str) -> Effects:
        """Note the first of what is ignored; the others are counted, and told at the end.

        Args:
            what: its kind, in words of our own: the cloud's would be too many.
            example: which one it is, in the cloud's words.
        """
        self._ignored[what] += 1
        return [Note(f"ignored {what}: {example}")] if self._ignored[what] == 1 else []

    # --- the end --------------------------------------------------------------------------

    @property
    def loss(self) -> str:
        """What somebody would miss if the connection ended now, in words; may be empty."""
        talking = not self.mode.pressed and self.turn.asr_open
        if self.stage is Stage.ASKING:
            return self.floor.wanted
        if self.stage in {Stage.RESPONDING, Stage.PLAYING}:
            return "the rest of the reply is lost"
        if self.stage in TURN_STAGES:
            return "the answer is lost"
        return "what was said is lost" if self.stage is Stage.TALKING or talking else ""

    def shut(self, now: float, why: str = "") -> Effects:
        """Close what is open; if there is a reason to tell, tell whoever loses something by it."""
        if self.stage is Stage.CLOSED:
            return []
        loss = self.loss if why else ""
        effects: Effects = [StopRecorder(), *self.cut_turn()]
        repeated = [(what, count) for what, count in self._ignored.items() if count > 1]
        effects += [Note(f"ignored {count} {what} in all") for what, count in repeated]
        if loss:
            effects.append(Emit(Error("connection-lost", f"{why}: {loss}")))
        self.backlog.clear()
        return effects + self.enter(Stage.CLOSED, now)

    def fail(
        self,
        error: CloudRefused | ConnectionLost | MalformedMessage,
        now: float,
        *,
        told: bool = False,
    ) -> Effects:
        """Give this connection up. A refusal was told already, with the cloud's own words."""
        refused = isinstance(error, CloudRefused)
        again = AFTER_FAILURE.get(error.code, Next.RETRY)
        if error.code == START_REFUSED and self.reached_listening:
            # Start was in order; the fault was in one message, which need not come again.
            again = Next.RETRY
        why = "" if told or refused else "the connection broke"
        return [*self.shut(now, why), Close(error, again)]

    # --- the turn -------------------------------------------------------------------------

    def end_asr(self) -> Effects:
        """Announce the end of recognition if its start was announced."""
        if not self.turn.asr_open:
            return []
        self.turn.asr_open = False
        return [Emit(AsrEnd())]

    def end_tts(self) -> Effects:
        """Announce the end of a reply if its start was announced."""
        if not self.turn.tts_open:
            return []
        self.turn.tts_open = False
        return [Emit(TtsEnd())]

    def end_reply(self) -> Effects:
        """A reply stopped arriving before its end: what there is of it is played out."""
        ended = self.end_tts()
        return [*ended, FinishPlayer()] if ended else []

    def cut_turn(self) -> Effects:
        """Be silent, and announce the end of whatever was announced to have started."""
        return [FlushPlayer(), *self.end_asr(), *self.end_tts()]

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

    # --- the floor ------------------------------------------------------------------------

    def ask_floor(self, now: float) -> Effects:
        """Leave the turn under way and want the cloud to listen."""
        if self.stage is Stage.ASKING:
            return []
        self.left_round = self.turn.reply.round_id
        due = max(now, self.pace.floor_at)
        self.floor = Floor(interrupted=self.stage in TURN_STAGES, due=due)
        effects: Effects = [*self.cut_turn(), *self.enter(Stage.ASKING, now)]
        self.floor.given_up_at = self.stage_deadline
        return effects + (self.ask_when_due(now) if due <= now else [])

    def ask_when_due(self, now: float) -> Effects:
        """Send RequestToSpeak; or what the floor is wanted for, if it is ours by now."""
        if self.floor.granted:
            return self.take_floor(now)
        self.floor.due = inf
        self.pace.floor_requested(now)
        self.stay(now)
        self.floor.given_up_at = self.stage_deadline
        return [Send(self.frames.directive("RequestToSpeak"))]

    def floor_given(self, now: float) -> Effects:
        """The floor is ours; a question that comes too soon after others waits a little."""
        if self.floor.request is None or self.pace.request_at <= now:
            return self.take_floor(now)
        self.floor.accepted = self.floor.listening = True
        self.floor.due = self.pace.request_at
        return self.enter(Stage.ASKING, now)

    def floor_withdrawn(self) -> None:
        """The cloud left Listening again: its permission has still to come."""
        if self.floor.listening:  # else it is of the turn we leave
            self.floor.listening = False
            self.stage_deadline = self.floor.given_up_at

    def take_floor(self, now: float) -> Effects:
        """The cloud listens to us: do what the floor was wanted for."""
        prepared: Effects = [Emit(SpeechPrepare())]
        self.new_turn()
        if self.floor.speech:
            return prepared + self.open_speech(now)
        if self.floor.request is not None:
            return prepared + self.send_request(self.floor.request, now)
        return self.enter(Stage.LISTENING, now) + prepared

    # --- speech and questions -------------------------------------------------------------

    def open_speech(self, now: float) -> Effects:
        """Begin the upload: what was recorded before goes first, and its end if it is over."""
        asked = self.stage is Stage.ASKING
        again = asked and self.floor.interrupted
        released = asked and self.floor.released
        framed = self.mode.framed
        effects: Effects = [Send(self.frames.directive("SendSpeech"))] if framed else []
        effects += self.enter(Stage.TALKING, now)
        self.turn.spoken = True
        effects.append(Emit(SpeechRestart() if again else SpeechStart()))
        before = [SendAudio(chunk, backlog=True) for chunk in self.backlog.drain()]
        if framed or before:  # where speech is not framed, no speech yet is still silence
            self.upload.sent(now)
        effects += before
        return effects + (self.end_speech(now) if released else [])

    def end_speech(self, now: float) -> Effects:
        """End the upload; or, without permission yet, remember to."""
        if self.stage is not Stage.TALKING:
            self.floor.released = True
            return []
        if self.mode.framed:
            stop = Send(self.frames.directive("StopSpeech"))
            return [stop, *self.enter(Stage.RECOGNISING, now)]
        self.upload.sent(now)
        ended = Stage.RECOGNISING if self.turn.asr_open else Stage.TRAILING
        return [*silence(self.settings, TAIL_S), *self.enter(ended, now)]

    def forget_speech(self, now: float) -> Effects:
        """Drop the speech under way: CancelSpeech; or, without permission yet, nothing was sent."""
        if self.stage is Stage.TALKING:
            self.turn.spoken = False
            cancel = Send(self.frames.directive("CancelSpeech"))
            return [cancel, *self.end_asr(), *self.enter(Stage.RESUMING, now)]
        self.floor.speech = False
        self.backlog.clear()
        return []

    def close_microphone(self) -> Effects:
        """The cloud wants no more of this speech; in duplex the microphone stays open."""
        return [StopRecorder()] if self.mode.pressed else []

    def open_microphone(self, _now: float) -> Effects:
        """Open the microphone that nobody presses for."""
        self.microphone.due = inf
        return [StartRecorder()]

    def send_request(self, request: str, now: float) -> Effects:
        """Send RequestToRespond."""
        self.pace.requested(now)
        self.turn.spoken = False
        return [Send(request), *self.enter(Stage.RECOGNISING, now)]
