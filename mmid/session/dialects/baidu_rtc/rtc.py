"""Baidu RTC with License activation: one connection, as the session sees it.

Reads like baidu-rtc sections 5 to 8. Rules that bind it together:

* The license is shown when it is asked for, once, and to nobody else. A refusal is final.
* Nothing but audio leaves before the way in is open, nor while the license is looked at.
* Whatever a program wants said is a question or a speech, never a command.
* What comes of a reply that nobody wants any more is not heard.

What people want is in ``talk``, what the service says in ``server_messages``; here are the
connection, the license and the time.
"""

from collections.abc import Iterator
from math import inf
from typing import Any

from mmid.errors import ConnectionLost, LicenseRefused, Unsupported
from mmid.events import Error, SpeechPrepare, SpeechReady, SpeechStart
from mmid.frozen import frozen
from mmid.secrets import Secret, clean, masked
from mmid.session.dialects.baidu_rtc import commands, talk
from mmid.session.dialects.baidu_rtc.machine import RtcMachine
from mmid.session.dialects.baidu_rtc.messages import RtcMessage, Said, parse
from mmid.session.dialects.baidu_rtc.server_messages import ignored, on_message, on_sound
from mmid.session.dialects.stages import Exit, TurnStage
from mmid.session.dialects.turn_dialect import Timer, TurnDialect
from mmid.session.effects import (
    Authorized,
    Close,
    Effects,
    Emit,
    Moved,
    Next,
    Note,
    SendAudio,
    StartRecorder,
)
from mmid.session.endpoint import ClosedUnheard, LinkClosed
from mmid.settings import Dialog, WorkMode

# The PASS of a license that was asked for late (section 6: 10 to 15 s in all).
_PASS_S = 15.0

# Binary frames that are no sound: seen as a sign of life (section 4). PCM clients drop what is
# shorter than 2 ms; as a packet so little is silence, and begins no reply.
_SHORTEST_SAMPLES, _SIGN_OF_LIFE = 64, 8

# Some sound has a text before it, up to its ninth colon (section 10).
_MARKER, _MARKER_COLONS = b"[A]:[PCM]:[RAW]:", 9

# Silence for a cloud that listens for the end of a speech: a tenth of a second, so often.
# In Opus: five packets of digital silence (RFC 6716: mono CELT at full bandwidth).
_SILENCE_S = 0.1
_OPUS_SILENCE = [b"\xf8\xff\xfe"] * 5

_LONGEST_REASON = 256

_REFUSED_CODE = "license-refused"
_REFUSED_ADVICE = (
    "Look in the cloud's console for the license (its counts for this application, its term) and "
    "whether another board has the same name; then call Register."
)


@frozen
class ActivationIdentity:
    """Who the device is to the cloud (section 1).

    Attributes:
        device_id: devId, for ever the same.
        user_id: uId, for the customer's own books.
        license_key: licKey.
    """

    device_id: str
    user_id: str
    license_key: Secret


class BaiduRtc(TurnDialect):
    """One connection; implements ``Dialect``, which says what each of its methods is for.

    Args:
        identity: shown when the cloud asks for it.
        settings: how one talks.
        work_mode: push2talk, tap2talk or duplex.
        made_for: the work mode that the instance was asked for with.
        again: the connection before ended without a word.
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
        self._identity = identity
        self._fits = work_mode == made_for
        self._again = again
        self._heard = False
        self._pass_by = self._silence_at = inf
        self.machine = RtcMachine(settings, work_mode, ready_by=ready_by)

    def speech_frame(self, data: bytes) -> bytes:
        return data

    def trace(self, text: str) -> str:
        """Show no license, no picture, and not the whole of the device's name."""
        for secret in ("[E]:[LIC]:[ACTIVE]:", "[E]:[IMG]:"):
            if text.startswith(secret):
                return f"{secret}<{len(text) - len(secret)} characters>"
        return self._without_name(text)

    def _without_name(self, text: str) -> str:
        name = self._identity.device_id
        return text.replace(name, masked(name))

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
        if self._heard:
            return machine.fail(LinkClosed(code, reason), Next.RETRY, now, "the connection broke")
        error = ClosedUnheard(code, reason)
        told = (
            "the cloud ended two connections without a word: the instance's id or token is wrong, "
            "or its audiocodec is not what mmid sends"
        )
        twice: Effects = [Emit(Error(error.code, told))] if self._again else []
        return [*twice, *machine.fail(error, Next.RETRY, now)]

    def _timers(self) -> Iterator[Timer]:
        machine = self.machine
        if machine.stage is TurnStage.STARTING:
            yield machine.entrance.opens_at, self._open
        yield self._pass_by, self._give_up_pass
        yield machine.outlet.due, machine.outlet.drain
        for session_id, due in list(machine.calls.items()):
            yield due, lambda at, call=session_id: self._give_up_call(call, at)  # type: ignore[misc]
        if machine.stage is TurnStage.LISTENING and machine.hearing.open:
            yield machine.hearing.due, lambda _: machine.hearing.forget()
        if self._sends_silence:
            yield self._silence_at, self._send_silence
        yield self._microphone.due, self._open_microphone
        yield machine.stage_deadline, self._leave_stage

    def _give_up_pass(self, now: float) -> Effects:
        error = ConnectionLost("waited in vain for the license to be looked at")
        return self.machine.fail(error, Next.RETRY, now, str(error))

    def _give_up_call(self, session_id: str, now: float) -> Effects:
        if session_id not in self.machine.calls:
            return []
        told = Emit(Error("tool", "waited in vain for the answer of a function"))
        return [told, *self.machine.answer(session_id, "no answer in time", now, failed=True)]

    def _leave_stage(self, now: float) -> Effects:
        machine = self.machine
        read_only = machine.stage is TurnStage.THINKING and machine.reply.told
        if read_only or machine.stages[machine.stage].exit is Exit.LISTEN:
            return machine.listen(now)
        return super()._leave_stage(now)

    # --- the way in -----------------------------------------------------------------------

    def _open(self, now: float) -> Effects:
        """The cloud takes speech: say what we are and how we talk, then listen."""
        machine, mode = self.machine, self.machine.mode
        machine.ready = True
        asked = machine.outlet.text(
            commands.device_info(self._identity.user_id),
            commands.LISTEN_WHEN_TOLD if mode.framed else commands.LISTEN_ALWAYS,
            commands.voice_interrupts(not mode.pressed),
            now=now,
        )
        moved = machine.enter(TurnStage.LISTENING, now)
        effects = [*asked, *moved, Emit(SpeechReady()), Emit(SpeechPrepare())]
        return effects if mode.pressed else [*effects, Emit(SpeechStart()), StartRecorder()]

    def _license(self, message: RtcMessage, now: float) -> Effects:
        """What is said about the license, at any time (section 6)."""
        entrance, outlet = self.machine.entrance, self.machine.outlet
        if message.said is Said.FAILED:
            return self._refused(message.text, now)
        if message.said is Said.PASS:
            first = entrance.waits_for_pass
            entrance.passed, outlet.held, self._pass_by = True, False, inf
            return [*([Authorized()] if first else []), *outlet.drain(now)]
        if entrance.answered:
            return ignored(self.machine)
        entrance.answered = True
        if entrance.passed:
            return []
        if self.machine.ready:
            outlet.held, self._pass_by = True, now + _PASS_S
        identity = self._identity
        key = identity.license_key.reveal()
        return outlet.at_once(commands.active(identity.device_id, identity.user_id, key), now)

    def _refused(self, reason: str, now: float) -> Effects:
        said = clean(self._without_name(" ".join(reason[:_LONGEST_REASON].split())))
        meaning = f"the cloud refused this device's license{f': {said}' if said else ''}"
        told = f"{meaning}. {_REFUSED_ADVICE}"
        error = LicenseRefused(told, _REFUSED_CODE, _REFUSED_ADVICE, meaning=meaning)
        shown = Emit(Error(_REFUSED_CODE, meaning, _REFUSED_ADVICE))
        return [shown, *self.machine.fail(error, Next.STOP, now, meaning)]

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
            return [*self._license(message, now), *self._open_in_time(now)]
        if machine.stage is TurnStage.STARTING:
            return self._before_open(message, now)
        return on_message(machine, message, now)

    def _before_open(self, message: RtcMessage, now: float) -> Effects:
        machine = self.machine
        if message.said is Said.READY:
            machine.entrance.media_ready(now)
            return self._open_in_time(now)
        if message.said is Said.TTS_BEGIN and machine.entrance.opens_at < inf:
            # It greets us: so nobody will ask for a license first.
            return [*self._open(now), *on_message(machine, message, now)]
        if message.said in {Said.ERROR, Said.CONVERSATION}:
            return on_message(machine, message, now)
        return ignored(machine)

    def _open_in_time(self, now: float) -> Effects:
        """Open now if nothing is waited for."""
        starts = self.machine.stage is TurnStage.STARTING
        return self._open(now) if starts and self.machine.entrance.opens_at <= now else []

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
        return self.machine.outlet.speech(data, now)

    @property
    def _sends_silence(self) -> bool:
        """Whether the cloud listens for the end of a speech whose microphone is closed."""
        waits = self.machine.stage in {TurnStage.TRAILING, TurnStage.RECOGNISING}
        return waits and self.machine.mode.pressed and not self.machine.mode.framed

    def _send_silence(self, now: float) -> Effects:
        self._silence_at = now + _SILENCE_S
        settings = self.machine.settings
        if settings.upstream_mode != "pcm":
            return [SendAudio(packet, backlog=True) for packet in _OPUS_SILENCE]
        samples = bytes(round(_SILENCE_S * settings.speech_bytes_per_s) & ~1)
        return self.machine.outlet.speech(samples, now)

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
        self._silence_at = now
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

    def tool_result(self, call_id: str, result: str, now: float) -> Effects:
        return talk.tool_result(self.machine, call_id, result, now)
