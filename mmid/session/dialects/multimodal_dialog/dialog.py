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

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

from mmid.errors import CloudRefused, ConnectionLost, MalformedMessage
from mmid.events import Error
from mmid.session.dialects.dialect import Function
from mmid.session.dialects.multimodal_dialog import talk
from mmid.session.dialects.multimodal_dialog.directives import ClientInfo, Frames, start_payload
from mmid.session.dialects.multimodal_dialog.machine import Machine
from mmid.session.dialects.multimodal_dialog.messages import START_REFUSED, Failed, parse
from mmid.session.dialects.multimodal_dialog.server_events import on_output
from mmid.session.dialects.multimodal_dialog.stages import STAGES, TURN_STAGES, Stage
from mmid.session.dialects.multimodal_dialog.upload import FRAME_MS
from mmid.session.dialects.silence import silence
from mmid.session.dialects.stages import Exit
from mmid.session.effects import (
    Close,
    Effects,
    Emit,
    Moved,
    Next,
    Note,
    Play,
    SaveDialog,
    Send,
    SendAudio,
    SpeechDropped,
)
from mmid.session.endpoint import LinkClosed
from mmid.settings import Dialog

# Nonsense beyond this is not a glitch: the address is wrong, or something
# between us rewrites messages.
_MALFORMED_LIMIT = 10


class MultimodalDialog:
    """One connection; implements ``Dialect``, which says what each of its methods is for.

    Args:
        identity: who the dialog is for.
        settings: how one talks with it.
        work_mode: push2talk, tap2talk or duplex.
        task_id: 32 hex digits, never used before.
        dialog_id: the dialog to go on with, or empty for a new one.
        listening_by: monotonic time by which the first Listening must have come.
    """

    def __init__(
        self,
        identity: ClientInfo,
        settings: Dialog,
        *,
        work_mode: str,
        task_id: str,
        dialog_id: str,
        listening_by: float,
    ) -> None:
        self.machine = Machine(settings, work_mode, Frames(task_id, dialog_id), listening_by)
        payload = start_payload(identity, settings, work_mode)
        self._start = self.machine.frames.start(payload)
        self.machine.resumes = bool(dialog_id)

    @property
    def reached_listening(self) -> bool:
        return self.machine.reached_listening

    @property
    def in_turn(self) -> bool:
        return bool(self.machine.loss)

    def speech_frame(self, data: bytes) -> bytes:
        return data

    def trace(self, text: str) -> str:
        return text

    def pong(self, _now: float) -> Effects:
        return []

    # --- the connection -------------------------------------------------------------------

    def begin(self, now: float) -> Effects:
        self.machine.heartbeat.text_received(now)
        return [Moved(self.machine.stage.value, "begin"), Send(self._start)]

    def end(self, now: float, why: str = "") -> Effects:
        if self.machine.stage is Stage.CLOSED:
            return []
        self.machine.cause = "end"
        return [
            *self.machine.shut(now, why),
            Send(self.machine.frames.stop()),
            Close(None, Next.RETRY),
        ]

    def closed(self, code: int | None, reason: str, now: float) -> Effects:
        if self.machine.stage is Stage.CLOSED:
            return []
        self.machine.cause = "lost"
        return self.machine.fail(LinkClosed(code, reason), now)

    @property
    def deadline(self) -> float:
        return min([due for due, _ in self._timers()], default=inf)

    def tick(self, now: float) -> Effects:
        self.machine.cause = "deadline"
        effects: Effects = []
        for due, act in self._timers():
            if now >= due:
                effects += act(now)
        return effects

    def _timers(self) -> Iterator[tuple[float, Callable[[float], Effects]]]:
        """Yield when each timer is due and what it does; one may move what comes after it."""
        machine = self.machine
        if machine.stage is not Stage.CLOSED:
            yield machine.heartbeat.dead_at, self._declare_dead
        if machine.stage is Stage.CLOSED:  # before, or by a heartbeat that was not answered
            return
        yield machine.heartbeat.due(attended=STAGES[machine.stage].attended), self._beat
        if machine.stage is Stage.LISTENING and machine.turn.asr_open:  # in duplex
            yield machine.turn.voice_until, lambda _: machine.end_asr()
        elif machine.stage is Stage.LISTENING and machine.results.there:
            yield max(0.0, machine.pace.request_at), self._send_results
        if machine.stage in machine.fed:
            yield machine.upload.silence_due, self._send_silence
        if machine.stage is Stage.ASKING:
            yield machine.floor.due, machine.ask_when_due
        yield machine.microphone.due, machine.open_microphone
        yield machine.stage_deadline, self._leave_stage

    def _declare_dead(self, now: float) -> Effects:
        self.machine.cause = "heartbeat"
        return self.machine.fail(ConnectionLost("the cloud did not answer a heartbeat"), now)

    def _beat(self, now: float) -> Effects:
        self.machine.heartbeat.sent(now)
        return [Send(self.machine.frames.directive("HeartBeat"))]

    def _send_silence(self, now: float) -> Effects:
        self.machine.upload.sent(now)
        return [*silence(self.machine.settings, FRAME_MS / 1000)]

    def _send_results(self, now: float) -> Effects:
        """Tell what became of the cloud's commands; it answers as if it had been asked."""
        told = {"command_results": self.machine.results.take()}
        request = self.machine.frames.request_to_respond("prompt", "", biz_params=told)
        return self.machine.send_request(request, now)

    def _leave_stage(self, now: float) -> Effects:
        """The stage lasted too long: take the exit that the table has, and say so."""
        facts = STAGES[self.machine.stage]
        if self.machine.stage is Stage.ASKING and self.machine.floor.listening:
            return self.machine.floor_given(now)
        message = f"waited in vain for {facts.waits_for}"
        if facts.exit is Exit.RECONNECT:
            return self._give_up(message, now)
        if facts.exit is Exit.LISTEN:
            return [Note(message), *self.machine.enter(Stage.LISTENING, now)]
        if facts.exit is Exit.END_SPEECH:
            closed = f"the microphone was closed after {self.machine.longest_stay_s:.0f} s"
            ended = [*self.machine.close_microphone(), *self.machine.end_speech(now)]
            return [*ended, Emit(Error("not-talking", closed))]
        told = Emit(Error("cloud", message)) if self.machine.stage in TURN_STAGES else Note(message)
        return [told, *self.machine.ask_floor(now)]

    def _give_up(self, message: str, now: float) -> Effects:
        """Connect anew; it is the cloud's fault, and not the network's, if it still answers."""
        loss = self.machine.loss
        told: Effects = [Emit(Error("cloud", f"{message}: {loss}"))] if loss else []
        return [*told, *self.machine.fail(ConnectionLost(message), now, told=True)]

    # --- what the cloud sends -------------------------------------------------------------

    def receive_text(self, text: str, now: float) -> Effects:
        if self.machine.stage is Stage.CLOSED:
            return []
        self.machine.heartbeat.text_received(now)
        if STAGES[self.machine.stage].renewed_by_text:
            self.machine.stay(now)
        try:
            message = parse(text)
        except MalformedMessage as error:
            return self._malformed(error, now)
        if isinstance(message, Failed):
            return self._failed(message, now)
        return on_output(self.machine, message, now) if message else []

    def _failed(self, message: Failed, now: float) -> Effects:
        machine = self.machine
        machine.cause = "task-failed"
        told = Emit(Error(message.name, message.message))
        error = CloudRefused(f"the cloud said {message.name}: {message.message}", message.code)
        ended = [told, *machine.fail(error, now)]
        forgotten = message.code == START_REFUSED and not machine.reached_listening
        if forgotten and machine.resumes:
            # Start named a dialog that the cloud may not know any more: better a new one
            # than none, so the refusal counts only if a Start without it meets it too.
            again = Note("trying without the dialog before, in case the cloud has forgotten it")
            return [*ended[:-1], again, SaveDialog(""), Close(error, Next.RETRY)]
        return ended

    def _malformed(self, error: MalformedMessage, now: float) -> Effects:
        self.machine.cause = "malformed"
        self.machine.malformed += 1
        gives_up = self.machine.malformed > _MALFORMED_LIMIT
        told = Emit(Error(error.code, str(error)))
        return [told, *(self.machine.fail(error, now) if gives_up else [])]

    def receive_binary(self, data: bytes, now: float) -> Effects:
        machine, turn = self.machine, self.machine.turn
        machine.heartbeat.audio_received()
        if machine.stage is not Stage.RESPONDING or turn.inaudible:
            turn.stale_bytes += len(data)
            first = turn.stale_bytes == len(data)
            return [Note(f"dropped audio that came while {machine.stage}")] if first else []
        machine.stay(now)
        return [Play(data)]

    # --- what the board does --------------------------------------------------------------

    def record(self, data: bytes, now: float) -> Effects:
        machine = self.machine
        if not machine.mode.pressed:
            return self._stream(data, now)
        if machine.stage is Stage.TALKING:
            machine.upload.sent(now)
            return [SendAudio(data)]
        if machine.stage is Stage.ASKING and machine.floor.speech:
            dropped = machine.backlog.push(data)
            return [SpeechDropped(dropped)] if dropped else []
        return []

    def _stream(self, data: bytes, now: float) -> Effects:
        """Send what the open microphone hears, in every state (section 7)."""
        if self.machine.stage not in self.machine.fed:
            return []
        self.machine.upload.sent(now)
        self.machine.microphone.heard()
        return [SendAudio(data)]

    def recorder_failed(self, now: float) -> Effects:
        self.machine.cause = "recorder_failed"
        if self.machine.mode.pressed:
            return self.machine.forget_speech(now)
        self.machine.microphone.failed(now)
        return []

    def playback_started(self, _now: float) -> Effects:
        in_reply = self.machine.stage in {Stage.RESPONDING, Stage.PLAYING}
        return self.machine.report_heard() if in_reply else []

    def playback_finished(self, now: float) -> Effects:
        self.machine.cause = "playback_finished"
        return self.machine.end_playback(now)

    def playback_failed(self, now: float) -> Effects:
        self.machine.cause = "playback_failed"
        self.machine.turn.inaudible = True
        return self.machine.end_playback(now)

    # --- what people want -----------------------------------------------------------------

    def check_speech(self) -> None:
        talk.check_speech(self.machine)

    def start_speech(self, now: float) -> Effects:
        return talk.start_speech(self.machine, now)

    def stop_speech(self, now: float) -> Effects:
        return talk.stop_speech(self.machine, now)

    def cancel_speech(self, now: float) -> Effects:
        return talk.cancel_speech(self.machine, now)

    def interrupt(self, now: float) -> Effects:
        return talk.interrupt(self.machine, now)

    def ask(self, text: str, now: float, **more: Any) -> Effects:
        return talk.ask(self.machine, text, now, **more)

    def say(self, text: str, now: float) -> Effects:
        return talk.say(self.machine, text, now)

    def update_info(self, now: float, **told: Any) -> Effects:
        return talk.update_info(self.machine, now, **told)

    def tool_result(self, call_id: str, result: str, _now: float) -> Effects:
        return talk.tool_result(self.machine, call_id, result)

    def offer_functions(self, _functions: Sequence[Function], _now: float) -> Effects:
        return []  # the console declares them
