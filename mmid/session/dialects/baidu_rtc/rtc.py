"""Baidu RTC with License activation: one connection, as the session sees it.

Reads like baidu-rtc sections 5 to 8. Rules that bind it together:

* The license is shown when it is asked for, once. A refusal is final.
* Nothing else leaves before the way in is open, nor while the license is looked at.
* Whatever a program wants said is a question or a speech, never a command.
* What comes of a reply that nobody wants any more is not heard.

What people want is in ``talk``, what the service says in ``server_messages`` and, of the
license, in ``opening``; here are the connection, the time and the sound.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from mmid.errors import Unsupported
from mmid.events import Error
from mmid.session.dialects.baidu_rtc import opening, talk
from mmid.session.dialects.baidu_rtc.activation import ActivationIdentity
from mmid.session.dialects.baidu_rtc.machine import RtcMachine
from mmid.session.dialects.baidu_rtc.messages import Said, parse
from mmid.session.dialects.baidu_rtc.server_messages import (
    end_reply,
    ignored,
    on_message,
    on_sound,
)
from mmid.session.dialects.dialect import Function
from mmid.session.dialects.silence import silence
from mmid.session.dialects.stages import Exit, TurnStage
from mmid.session.dialects.turn_dialect import Timer, TurnDialect
from mmid.session.effects import (
    Close,
    Effects,
    Emit,
    Moved,
    Next,
    Note,
    SendAudio,
)
from mmid.session.endpoint import ClosedUnheard, LinkClosed
from mmid.settings import Dialog, WorkMode

# Binary frames that are no sound: seen as a sign of life (section 4). PCM clients drop what is
# shorter than 2 ms; as a packet so little is silence, and begins no reply.
_SHORTEST_SAMPLES, _SIGN_OF_LIFE = 64, 8

# Some sound has a text before it, up to its ninth colon (section 10).
_MARKER, _MARKER_COLONS = b"[A]:[PCM]:[RAW]:", 9

# The shortest frame of samples is 20 ms (section 4).
_FRAMES_PER_S = 50

# Silence for a cloud that listens for the end of a speech: a tenth of a second, so often.
_SILENCE_S = 0.1

# Section 7: what a URL that opens nothing may have wrong.
_UNHEARD = (
    "the cloud ended two connections without a word: the instance's id or token is wrong, it is of "
    "another application than baidu.app_id, or its audiocodec is not what mmid sends"
)
_UNHEARD_ADVICE = (
    "Look at what the relay makes (app_id, audiocodec) and how it passes the id on; mmid tries "
    "again."
)


class BaiduRtc(TurnDialect):
    """One connection; implements ``Dialect``, which says what each of its methods is for.

    Args:
        identity: shown when the cloud asks for it.
        settings: how one talks.
        work_mode: push2talk, tap2talk or duplex.
        made_for: the work mode that the instance was asked for with.
        again: the connection before was the first to end without a word.
        ready_by: monotonic time by which the connection must be open.
    """

    machine: RtcMachine

    def __init__(
        self,
        identity: ActivationIdentity,
        settings: Dialog,
        *,
        work_mode: WorkMode,
        made_for: WorkMode,
        again: bool,
        ready_by: float,
    ) -> None:
        super().__init__()
        self._fits = work_mode == made_for
        self._again = again
        self._heard = False
        self._silence_at = 0.0
        self.machine = RtcMachine(settings, work_mode, identity, ready_by=ready_by)

    def speech_frame(self, data: bytes) -> bytes:
        """A frame is 20 ms at least (section 4): the end of a speech is filled up with silence."""
        settings = self.machine.settings
        if settings.upstream_mode != "pcm":
            return data
        return data.ljust(settings.speech_bytes_per_s // _FRAMES_PER_S, b"\0")

    def trace(self, text: str) -> str:
        """Show no license, no picture, and not the whole of the device's name."""
        for secret in ("[E]:[LIC]:[ACTIVE]:", "[E]:[IMG]:"):
            if text.startswith(secret):
                return f"{secret}<{len(text) - len(secret)} characters>"
        return self.machine.activation.identity.without_name(text)

    # --- the connection -------------------------------------------------------------------

    def begin(self, now: float) -> Effects:
        machine = self.machine
        begun: Effects = [Moved(machine.stage.value, "begin")]
        if self._fits:
            return begun
        machine.cause = "settings"
        note = Note("the work mode was changed while the instance was made: another is asked for")
        return [*begun, note, *machine.shut(now), Close(None, Next.RETRY)]

    def end(self, now: float, why: str = "") -> Effects:
        if self.machine.stage is TurnStage.CLOSED:
            return []
        self.machine.cause = "end"
        return [*self.machine.shut(now, why), Close(None, Next.RETRY)]

    def closed(self, code: int | None, reason: str, now: float) -> Effects:
        machine = self.machine
        if machine.stage is TurnStage.CLOSED:
            return []
        machine.cause = "lost"
        reason = machine.activation.identity.without_name(reason)
        if self._heard:
            return machine.fail(LinkClosed(code, reason), Next.RETRY, now, "the connection broke")
        error = ClosedUnheard(code, reason)
        twice: Effects = [Emit(Error(error.code, _UNHEARD, _UNHEARD_ADVICE))] if self._again else []
        return [*twice, *machine.fail(error, Next.RETRY, now)]

    def _timers(self) -> Iterator[Timer]:
        machine = self.machine
        if machine.stage is TurnStage.STARTING:
            yield machine.activation.opens_at, lambda at: opening.open_dialog(machine, at)
        yield machine.activation.pass_by, lambda at: opening.give_up_pass(machine, at)
        yield machine.outlet.due, machine.outlet.drain
        for session_id, due in list(machine.calls.items()):
            yield due, lambda at, call=session_id: self._give_up_call(call, at)  # type: ignore[misc]
        if machine.stage is TurnStage.LISTENING and machine.hearing.open:
            yield machine.hearing.due, lambda _: machine.hearing.forget()
        if self._sends_silence:
            yield self._silence_at, self._send_silence
        yield self._microphone.due, self._open_microphone
        yield machine.stage_deadline, self._leave_stage

    def _give_up_call(self, session_id: str, now: float) -> Effects:
        if session_id not in self.machine.calls:
            return []
        told = Emit(Error("tool", "waited in vain for the answer of a function"))
        return [told, *self.machine.answer(session_id, "no answer in time", now, failed=True)]

    def _leave_stage(self, now: float) -> Effects:
        machine = self.machine
        if machine.stage is TurnStage.RESPONDING:
            return [Note("the end of a reply did not come"), *end_reply(machine, now)]
        if machine.stage is TurnStage.THINKING and machine.reply.text:
            return [*machine.reply.end(), *machine.listen(now)]
        if machine.stages[machine.stage].exit is Exit.LISTEN:
            return machine.listen(now)
        return super()._leave_stage(now)

    # --- what the service sends -----------------------------------------------------------

    def receive_text(self, text: str, now: float) -> Effects:
        machine = self.machine
        if machine.stage is TurnStage.CLOSED:
            return []
        self._heard = True
        message = parse(text)
        if message is None:
            return ignored(machine)
        machine.cause = message.said.value
        if message.said in {Said.MUST, Said.PASS, Said.FAILED}:
            return opening.on_license(machine, message, now)
        if machine.stage is TurnStage.STARTING:
            return opening.before_open(machine, message, now)
        return on_message(machine, message, now)

    def receive_binary(self, data: bytes, now: float) -> Effects:
        machine = self.machine
        if machine.stage in {TurnStage.CLOSED, TurnStage.STARTING}:
            return []
        machine.cause = "sound"
        if data.startswith(_MARKER):
            data = data.split(b":", _MARKER_COLONS)[-1]
        begun = machine.stage is TurnStage.RESPONDING
        shortest = 1 if begun else _SIGN_OF_LIFE + 1
        if len(data) < (shortest if machine.packets else _SHORTEST_SAMPLES):
            return ignored(machine)
        return on_sound(machine, data, now)

    # --- what the board does --------------------------------------------------------------

    def record(self, data: bytes, now: float) -> Effects:
        if not self._records():
            return []
        self.machine.spoken_bytes += len(data)
        self._microphone.heard()
        return self.machine.outlet.speech(SendAudio(data), now)

    @property
    def _sends_silence(self) -> bool:
        """Whether the cloud listens for the end of a speech whose microphone is closed."""
        mode = self.machine.mode
        if mode.framed or not mode.pressed:
            return False
        return self.machine.stage in {TurnStage.TRAILING, TurnStage.RECOGNISING}

    def _send_silence(self, now: float) -> Effects:
        self._silence_at = now + _SILENCE_S
        outlet, sounds = self.machine.outlet, silence(self.machine.settings, _SILENCE_S)
        return [effect for sound in sounds for effect in outlet.speech(sound, now)]

    def _played(self, now: float) -> Effects:
        machine, reply = self.machine, self.machine.reply
        if machine.stage is not TurnStage.PLAYING or not (reply.waits and reply.begun):
            return super()._played(now)
        # Another reply came while this one was heard.
        released = reply.release(now)
        over = TurnStage.PLAYING if reply.over else TurnStage.RESPONDING
        return [*machine.enter(over, now), *released]

    # --- what people want -----------------------------------------------------------------

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

    def update_info(self, now: float, **told: Any) -> Effects:  # noqa: ARG002 - none of it
        self.machine.check_ready()
        raise Unsupported("this cloud wants to know nothing of the board, and takes no video")

    def offer_functions(self, _functions: Sequence[Function], _now: float) -> Effects:
        return []  # the instance's application declares them

    def tool_result(self, call_id: str, result: str, now: float) -> Effects:
        return talk.tool_result(self.machine, call_id, result, now)
