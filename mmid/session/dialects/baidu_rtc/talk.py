"""What people want: to talk, to ask, to interrupt, to show a picture, to answer a call.

The commands of ``Dialect``, which describes them, as functions over the machine. They raise
a ``CallerError`` when they cannot be obeyed now, before anything was changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmid.errors import InvalidArgument, Unsupported
from mmid.events import SpeechPrepare, SpeechRestart, SpeechStart
from mmid.json_text import read_json
from mmid.session.dialects.baidu_rtc import client_messages
from mmid.session.dialects.baidu_rtc.client_messages import LONGEST_BYTES
from mmid.session.dialects.baidu_rtc.machine import RtcMachine
from mmid.session.dialects.stages import TURN_STAGES, TurnStage
from mmid.session.effects import Effects, Emit

# A press with less speech than this was a slip: it is cancelled, and the turn ends empty.
_LEAST_SPEECH_S = 0.1


def start_speech(machine: RtcMachine, now: float) -> Effects:
    """Begin a speech, after an interruption if a turn is under way."""
    machine.check_speech()
    machine.cause = "start_speech"
    again = machine.stage in TURN_STAGES
    cut = machine.leave_turn(now)
    opened = machine.enter(TurnStage.TALKING, now)
    asked = machine.outlet.text(client_messages.START, now=now) if machine.mode.framed else []
    return [*cut, *asked, *opened, Emit(SpeechRestart() if again else SpeechStart())]


def stop_speech(machine: RtcMachine, now: float) -> Effects:
    """End the speech; where the cloud hears the end by itself, silence follows."""
    if machine.stage is not TurnStage.TALKING:
        return []
    machine.cause = "stop_speech"
    if not machine.mode.framed:
        heard = machine.hearing.open
        return machine.enter(TurnStage.RECOGNISING if heard else TurnStage.TRAILING, now)
    least = _LEAST_SPEECH_S * machine.settings.speech_bytes_per_s
    if machine.spoken_bytes < least:
        told = machine.hearing.complete("")
        return [*told, *_forget_speech(machine, now)]
    stopped = machine.outlet.text(client_messages.STOP, now=now)
    return [*stopped, *machine.enter(TurnStage.RECOGNISING, now)]


def cancel_speech(machine: RtcMachine, now: float) -> Effects:
    """Forget the speech under way."""
    if machine.stage is not TurnStage.TALKING:
        return []
    machine.cause = "cancel_speech"
    return [*machine.hearing.forget(), *_forget_speech(machine, now)]


def _forget_speech(machine: RtcMachine, now: float) -> Effects:
    """End a speech that means nothing: no command of this cloud says so (section 6)."""
    stop = [client_messages.STOP] if machine.mode.framed else []
    ended = machine.outlet.text(*stop, client_messages.INTERRUPT, now=now)
    machine.new_turn()
    machine.expect_stale(now)
    return [*ended, *machine.listen(now)]


def interrupt(machine: RtcMachine, now: float) -> Effects:
    """Cut the turn under way; a speech goes on."""
    machine.check_ready()
    if machine.stage not in TURN_STAGES:
        return []
    machine.check_room()
    machine.cause = "interrupt"
    cut = machine.cut_turn(now)
    return [*cut, *machine.enter(TurnStage.LISTENING, now), Emit(SpeechPrepare())]


def ask(
    machine: RtcMachine,
    text: str,
    now: float,
    *,
    images: Sequence[bytes] = (),
    biz_params: Mapping[str, Any] | None = None,
) -> Effects:
    """Put a question; or show the picture that the cloud asked for."""
    if biz_params:
        raise Unsupported("this cloud takes no parameters with a question")
    if images:
        return _show(machine, text, images, now)
    return _put(machine, client_messages.question(text), "ask", now)


def say(machine: RtcMachine, text: str, now: float) -> Effects:
    """Have the text spoken."""
    return _put(machine, client_messages.speak(text), "say", now)


def _put(machine: RtcMachine, message: str, cause: str, now: float) -> Effects:
    machine.check_free()
    machine.check_room()
    machine.cause = cause
    left = machine.leave_turn(now, silent=True)
    asked = machine.outlet.text(message, now=now)
    return [*left, *asked, *machine.enter(TurnStage.THINKING, now)]


def _show(machine: RtcMachine, text: str, images: Sequence[bytes], now: float) -> Effects:
    machine.check_ready()
    if not machine.picture_wanted:
        raise Unsupported("this cloud takes a picture only when it asks for one (upload_image)")
    if len(images) > 1:
        raise InvalidArgument(f"{len(images)} pictures at once; the cloud asked for one")
    messages = [client_messages.picture(images[0])]
    if text:
        messages.append(client_messages.question(text))
    machine.check_room()
    machine.cause = "ask"
    machine.picture_wanted = False
    shown = machine.outlet.text(*messages, now=now)
    return [*shown, *_await_reply(machine, now)]


def tool_result(machine: RtcMachine, call_id: str, result: str, now: float) -> Effects:
    """Answer a call."""
    machine.check_ready()
    if call_id not in machine.calls:
        raise InvalidArgument(f"no function waits for an answer under the id {call_id!r}")
    if len(result.encode()) > LONGEST_BYTES:
        raise InvalidArgument(f"for this cloud a result has at most {LONGEST_BYTES} bytes")
    machine.cause = "tool_result"
    answered = machine.answer(call_id, result, now, failed=_is_failure(result))
    return [*answered, *_await_reply(machine, now)]


def _await_reply(machine: RtcMachine, now: float) -> Effects:
    """The cloud has what it asked for, and goes on with the turn."""
    if machine.stage is TurnStage.THINKING:
        machine.stay(now)
    if machine.stage is not TurnStage.LISTENING or machine.hearing.open:
        return []
    machine.new_turn(silent=True)  # the turn was thought to be over
    return machine.enter(TurnStage.THINKING, now)


def _is_failure(result: str) -> bool:
    """Whether a function says that it failed: an object with ``error``, as mmid writes it too."""
    try:
        value = read_json(result)
    except ValueError:
        return False
    return isinstance(value, dict) and "error" in value
