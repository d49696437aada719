"""The ``multimodal-dialog`` protocol in push2talk: one connection, as the session sees it.

Reads like multimodal-dialog sections 4 to 8. Rules that bind it together:

* No speech before the cloud listens (O1); what is recorded meanwhile waits in
  the backlog and goes first, so the first syllable is never lost.
* LocalRespondingStarted and Ended report the loudspeaker, not the network (O5).
* One RequestToSpeak at a time, spaced (O8); none is needed while it listens (O3).
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from mmid.errors import (
    Busy,
    CloudRefused,
    ConnectionLost,
    InvalidArgument,
    MalformedMessage,
    NotReady,
    Unsupported,
)
from mmid.events import Error
from mmid.session.backlog import BACKLOG_S, Backlog
from mmid.session.dialects.multimodal_dialog_events import on_output
from mmid.session.dialects.multimodal_dialog_machine import Effects, Machine
from mmid.session.dialects.multimodal_dialog_messages import (
    Failed,
    Frames,
    Identity,
    Output,
    parse,
    start_payload,
)
from mmid.session.dialects.multimodal_dialog_stages import STAGES, TURN_STAGES, Exit, Stage
from mmid.session.effects import (
    Close,
    Emit,
    FlushPlayer,
    Next,
    Note,
    Play,
    Send,
    SendAudio,
    StopRecorder,
)
from mmid.settings import Dialog

__all__ = ["MultimodalDialog"]

# Nonsense beyond this is not a glitch: the address is wrong, or something
# between us rewrites messages.
_MALFORMED_LIMIT = 10


class MultimodalDialog(Machine):
    """One connection; implements ``Dialect``.

    Args:
        identity: who the dialog is for.
        settings: how one talks with it.
        task_id: 32 hex digits, never used before.
        dialog_id: the dialog to go on with, or empty for a new one.
        listening_by: monotonic time by which the first Listening must have come.

    Raises:
        Unsupported: the work mode is not one this dialect has.
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
        if settings.work_mode != "push2talk":
            raise Unsupported(f"work mode {settings.work_mode} is not in this version: push2talk")
        backlog = Backlog(int(BACKLOG_S * settings.speech_bytes_per_s))
        super().__init__(Frames(task_id, dialog_id), backlog, listening_by)
        self._start = self.frames.start(start_payload(identity, settings))

    # --- the connection -------------------------------------------------------------------

    def begin(self, now: float) -> Effects:
        """The connection is open: Start."""
        self.heartbeat.text_received(now)
        return [Send(self._start)]

    def end(self, now: float) -> Effects:
        """Leave politely: Stop."""
        if self.stage is Stage.CLOSED:
            return []
        return [*self.lost(now, told=True), Send(self.frames.stop()), Close(None, Next.RETRY)]

    @property
    def deadline(self) -> float:
        """When ``tick`` is due."""
        if self.stage is Stage.CLOSED:
            return inf
        floor = self.floor.due if self.stage is Stage.ASKING else inf
        return min(self.stage_deadline, self.heartbeat.due, self.heartbeat.dead_at, floor)

    def tick(self, now: float) -> Effects:
        """Do what is due."""
        if self.stage is Stage.CLOSED:
            return []
        if now >= self.heartbeat.dead_at:
            return self.fail(ConnectionLost("the cloud did not answer a heartbeat"), now)
        effects: Effects = []
        if now >= self.heartbeat.due:
            self.heartbeat.sent(now)
            effects.append(Send(self.frames.directive("HeartBeat")))
        if self.stage is Stage.ASKING and now >= self.floor.due:
            effects += self.request_to_speak(now)
        if now >= self.stage_deadline:
            effects += self._leave_stage(now)
        return effects

    def _leave_stage(self, now: float) -> Effects:
        facts = STAGES[self.stage]
        if self.stage is Stage.ASKING and self.floor.listening:
            return self.take_floor(now)
        if facts.exit is Exit.END_SPEECH:
            message = f"the microphone was closed after {facts.deadline_s:.0f} s"
            return [StopRecorder(), *self.end_speech(now), Emit(Error("not-talking", message))]
        message = f"waited in vain for {facts.waits_for}"
        if facts.exit is Exit.RECONNECT:
            return self.fail(ConnectionLost(message), now)
        told = Emit(Error("cloud", message)) if self.stage in TURN_STAGES else Note(message)
        return [told, *self.ask_floor(now)]

    # --- what the cloud sends -------------------------------------------------------------

    def receive_text(self, text: str, now: float) -> Effects:
        """Obey one server text frame; nonsense is told, counted and survived."""
        if self.stage is Stage.CLOSED:
            return []
        self.heartbeat.text_received(now)
        try:
            message = parse(text)
        except MalformedMessage as error:
            return self._malformed(error, now)
        if isinstance(message, Failed):
            told = Emit(Error(message.name, message.message))
            refusal = f"the cloud said {message.name}: {message.message}"
            return [told, *self.fail(CloudRefused(refusal, message.code), now)]
        return on_output(self, message, now) if isinstance(message, Output) else []

    def _malformed(self, error: MalformedMessage, now: float) -> Effects:
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
        self.stage_deadline = now + STAGES[Stage.RESPONDING].deadline_s
        return [Play(data)]

    # --- what the board does --------------------------------------------------------------

    def record(self, data: bytes) -> Effects:
        """Send speech, or keep it until the cloud listens."""
        if self.stage is Stage.TALKING:
            return [SendAudio(data)]
        if self.stage is Stage.ASKING and self.floor.speech:
            self.backlog.push(data)
        return []

    def recorder_failed(self, now: float) -> Effects:
        """What was said is incomplete: forget it."""
        return self.cancel_speech(now)

    def playback_started(self, _now: float) -> Effects:
        """Report the loudspeaker's first sample, once a reply."""
        in_reply = self.stage in {Stage.RESPONDING, Stage.PLAYING}
        return self.report_heard() if in_reply else []

    def playback_finished(self, now: float) -> Effects:
        """Report the loudspeaker's last sample: it ends the turn."""
        return self.end_playback(now)

    def playback_failed(self, now: float) -> Effects:
        """Nobody hears this reply; end the turn when it has arrived."""
        self.turn.inaudible = True
        return self.end_playback(now)

    # --- what people want -----------------------------------------------------------------

    def check_speech(self) -> None:
        """Raise if no speech can begin now."""
        self._check_ready()
        if self.stage is Stage.TALKING or (self.stage is Stage.ASKING and self.floor.speech):
            raise Busy("somebody is talking already")

    def start_speech(self, now: float) -> Effects:
        """Begin a speech, after an interruption if the cloud does not listen."""
        self.check_speech()
        self.backlog.clear()
        if self.stage is Stage.LISTENING:
            return [FlushPlayer(), *self.send_speech(now)]
        effects = [*self._drop_question("somebody began to talk"), *self.ask_floor(now)]
        self.floor.speech, self.floor.released = True, False
        return effects

    def stop_speech(self, now: float) -> Effects:
        """End the speech; if the cloud does not listen yet, as soon as all of it was sent."""
        return self.end_speech(now)

    def cancel_speech(self, now: float) -> Effects:
        """Forget the speech under way."""
        if self.stage is Stage.TALKING:
            cancel = Send(self.frames.directive("CancelSpeech"))
            return [cancel, *self.end_asr(), *self.enter(Stage.RESUMING, now)]
        self.floor.speech = False
        self.backlog.clear()
        return []

    def interrupt(self, now: float) -> Effects:
        """Cut the turn under way; without one there is nothing to do."""
        self._check_ready()
        stays = self.stage in {Stage.LISTENING, Stage.TALKING, Stage.ASKING}
        return [] if stays else self.ask_floor(now)

    def ask(
        self,
        text: str,
        now: float,
        *,
        images: Sequence[bytes] = (),
        biz_params: Mapping[str, Any] | None = None,
    ) -> Effects:
        """Have the model answer the text."""
        if images or biz_params:
            raise Unsupported("images and parameters are not in this version")
        return self._request("prompt", text, now)

    def say(self, text: str, now: float) -> Effects:
        """Have the text spoken."""
        return self._request("transcript", text, now)

    def _request(self, kind: str, text: str, now: float) -> Effects:
        if not text:
            raise InvalidArgument("the text is empty")
        self.check_speech()
        if self.stage is Stage.LISTENING:
            return [FlushPlayer(), *self.send_request(kind, text, now)]
        effects = [*self._drop_question("another one came"), *self.ask_floor(now)]
        self.floor.request = (kind, text)
        return effects

    def _drop_question(self, why: str) -> Effects:
        if self.stage is not Stage.ASKING or self.floor.request is None:
            return []
        self.floor.request = None
        return [Emit(Error("busy", f"a question was dropped: {why}"))]

    def _check_ready(self) -> None:
        if not self.reached_listening or self.stage is Stage.CLOSED:
            raise NotReady("the dialog is not connected and listening yet")
