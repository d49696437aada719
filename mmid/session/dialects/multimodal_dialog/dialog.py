"""The ``multimodal-dialog`` protocol: one connection, as the session sees it.

Reads like multimodal-dialog sections 4 to 8. Rules that bind it together:

* No speech before the cloud listens (O1); what is recorded meanwhile waits in
  the backlog and goes first, so the first syllable is never lost.
* LocalRespondingStarted and Ended report the loudspeaker, not the network (O5).
* One RequestToSpeak at a time, spaced (O8); none is needed while it listens (O3).

What people want is in ``talk``, what the cloud says in ``server_events``; here
are the connection, the time and the board. Every input that may move the stage
says its name first (``cause``): the black box tells afterwards what moved it.
"""

from math import inf

from mmid.errors import CloudRefused, ConnectionLost, MalformedMessage
from mmid.events import Error
from mmid.session.dialects.multimodal_dialog.directives import Frames, Identity, start_payload
from mmid.session.dialects.multimodal_dialog.machine import Effects
from mmid.session.dialects.multimodal_dialog.messages import Failed, Output, parse
from mmid.session.dialects.multimodal_dialog.server_events import on_output
from mmid.session.dialects.multimodal_dialog.stages import STAGES, TURN_STAGES, Exit, Stage
from mmid.session.dialects.multimodal_dialog.talk import Talk
from mmid.session.effects import (
    Close,
    Emit,
    Moved,
    Next,
    Note,
    Play,
    Send,
    SendAudio,
    SpeechDropped,
)
from mmid.settings import Dialog

__all__ = ["MultimodalDialog"]

# Nonsense beyond this is not a glitch: the address is wrong, or something
# between us rewrites messages.
_MALFORMED_LIMIT = 10


class MultimodalDialog(Talk):
    """One connection; implements ``Dialect``.

    Args:
        identity: who the dialog is for.
        settings: how one talks with it.
        task_id: 32 hex digits, never used before.
        dialog_id: the dialog to go on with, or empty for a new one.
        listening_by: monotonic time by which the first Listening must have come.
    """

    def __init__(
        self,
        identity: Identity,
        settings: Dialog,
        *,
        task_id: str,
        dialog_id: str,
        listening_by: float,
    ) -> None:
        super().__init__(settings, Frames(task_id, dialog_id), listening_by)
        self._start = self.frames.start(start_payload(identity, settings))

    # --- the connection -------------------------------------------------------------------

    def begin(self, now: float) -> Effects:
        """The connection is open: Start."""
        self.heartbeat.text_received(now)
        return [Moved(self.stage.value, "begin"), Send(self._start)]

    def end(self, now: float, why: str = "") -> Effects:
        """Leave politely: Stop."""
        if self.stage is Stage.CLOSED:
            return []
        self.cause = "end"
        return [*self.shut(now, why), Send(self.frames.stop()), Close(None, Next.RETRY)]

    def lost(self, now: float) -> Effects:
        """The connection is gone: close what is open, and tell whoever was in mid-turn."""
        self.cause = "lost"
        return self.shut(now, "the connection broke")

    @property
    def deadline(self) -> float:
        """When ``tick`` is due."""
        if self.stage is Stage.CLOSED:
            return inf
        return min(
            self.stage_deadline,
            self._heartbeat_due,
            self.heartbeat.dead_at,
            self._silence_due,
            self.microphone.due,
            self._floor_due,
        )

    @property
    def _heartbeat_due(self) -> float:
        return self.heartbeat.due(attended=STAGES[self.stage].attended)

    @property
    def _silence_due(self) -> float:
        return self.upload.silence_due if self.stage in self.mode.fed else inf

    @property
    def _floor_due(self) -> float:
        return self.floor.due if self.stage is Stage.ASKING else inf

    def tick(self, now: float) -> Effects:
        """Do what is due."""
        if self.stage is Stage.CLOSED:
            return []
        if now >= self.heartbeat.dead_at:
            self.cause = "heartbeat"
            return self.fail(ConnectionLost("the cloud did not answer a heartbeat"), now)
        self.cause = "deadline"
        effects: Effects = []
        if now >= self._heartbeat_due:
            self.heartbeat.sent(now)
            effects.append(Send(self.frames.directive("HeartBeat")))
        if now >= self._silence_due:
            self.upload.sent(now)
            effects += self.upload.silence()
        if now >= self._floor_due:
            effects += self.ask_when_due(now)
        if now >= self.microphone.due:
            effects += self.open_microphone()
        if now >= self.stage_deadline:
            effects += self._leave_stage(now)
        return effects

    def _leave_stage(self, now: float) -> Effects:
        """The stage lasted too long: take the exit that the table has, and say so."""
        facts = STAGES[self.stage]
        if self.stage is Stage.ASKING and self.floor.listening:
            return self.floor_given(now)
        message = f"waited in vain for {facts.waits_for}"
        if facts.exit is Exit.RECONNECT:
            return self._give_up(message, now)
        if facts.exit is Exit.LISTEN:
            return [Note(message), *self.enter(Stage.LISTENING, now)]
        if facts.exit is Exit.END_SPEECH:
            closed = f"the microphone was closed after {self.longest_stay_s:.0f} s"
            ended = [*self.close_microphone(), *self.end_speech(now)]
            return [*ended, Emit(Error("not-talking", closed))]
        told = Emit(Error("cloud", message)) if self.stage in TURN_STAGES else Note(message)
        return [told, *self.ask_floor(now)]

    def _give_up(self, message: str, now: float) -> Effects:
        """Connect anew; it is the cloud's fault, and not the network's, if it still answers."""
        loss = self.loss
        told: Effects = [Emit(Error("cloud", f"{message}: {loss}"))] if loss else []
        return [*told, *self.fail(ConnectionLost(message), now, told=True)]

    # --- what the cloud sends -------------------------------------------------------------

    def receive_text(self, text: str, now: float) -> Effects:
        """Obey one server text frame; nonsense is told, counted and survived."""
        if self.stage is Stage.CLOSED:
            return []
        self.heartbeat.text_received(now)
        if STAGES[self.stage].renewed_by_text:
            self.stay(now)
        try:
            message = parse(text)
        except MalformedMessage as error:
            return self._malformed(error, now)
        if isinstance(message, Failed):
            self.cause = "task-failed"
            told = Emit(Error(message.name, message.message))
            refusal = f"the cloud said {message.name}: {message.message}"
            return [told, *self.fail(CloudRefused(refusal, message.code), now)]
        return on_output(self, message, now) if isinstance(message, Output) else []

    def _malformed(self, error: MalformedMessage, now: float) -> Effects:
        self.cause = "malformed"
        self.malformed += 1
        told = Emit(Error(error.code, str(error)))
        return [told, *(self.fail(error, now) if self.malformed > _MALFORMED_LIMIT else [])]

    def receive_audio(self, data: bytes, now: float) -> Effects:
        """Play the reply; audio of no reply, or of one we left, is dropped and counted."""
        self.heartbeat.audio_received()
        if self.stage is not Stage.RESPONDING or self.turn.inaudible:
            self.turn.stale_bytes += len(data)
            first = self.turn.stale_bytes == len(data)
            return [Note(f"dropped audio that came while {self.stage}")] if first else []
        self.stay(now)
        return [Play(data)]

    # --- what the board does --------------------------------------------------------------

    def record(self, data: bytes, now: float) -> Effects:
        """Send speech, or keep it until the cloud listens."""
        if not self.mode.pressed:
            return self._stream(data, now)
        if self.stage is Stage.TALKING:
            self.upload.sent(now)
            return [SendAudio(data)]
        if self.stage is Stage.ASKING and self.floor.speech:
            dropped = self.backlog.push(data)
            return [SpeechDropped(dropped)] if dropped else []
        return []

    def _stream(self, data: bytes, now: float) -> Effects:
        """Send what the open microphone hears, in every state (section 7)."""
        if self.stage not in self.mode.fed:
            return []
        self.upload.sent(now)
        self.microphone.heard()
        return [SendAudio(data)]

    def recorder_failed(self, now: float) -> Effects:
        """What was said is incomplete: forget it. The open microphone is opened again later."""
        self.cause = "recorder_failed"
        if self.mode.pressed:
            return self.forget_speech(now)
        self.microphone.failed(now)
        return []

    def playback_started(self, _now: float) -> Effects:
        """Report the loudspeaker's first sample, once a reply."""
        in_reply = self.stage in {Stage.RESPONDING, Stage.PLAYING}
        return self.report_heard() if in_reply else []

    def playback_finished(self, now: float) -> Effects:
        """Report the loudspeaker's last sample: it ends the turn."""
        self.cause = "playback_finished"
        return self.end_playback(now)

    def playback_failed(self, now: float) -> Effects:
        """Nobody hears this reply; end the turn when it has arrived."""
        self.cause = "playback_failed"
        self.turn.inaudible = True
        return self.end_playback(now)
