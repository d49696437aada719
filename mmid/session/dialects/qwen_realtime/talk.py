"""What people want: to talk, to ask, to interrupt, to show something, to answer a call.

The commands of ``Dialect``, which describes them, as functions over the machine. They raise
a ``CallerError`` when they cannot be obeyed now, before anything was changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmid.errors import Busy, InvalidArgument, Unsupported
from mmid.events import SpeechPrepare, SpeechRestart, SpeechStart
from mmid.session.dialects.dialect import Function
from mmid.session.dialects.qwen_realtime.events import declaration
from mmid.session.dialects.qwen_realtime.machine import (
    LEAST_SPEECH_BYTES,
    SPEECH_BYTES_PER_S,
    RealtimeMachine,
)
from mmid.session.dialects.qwen_realtime.session import MOST_TOOLS, objection_to_change
from mmid.session.dialects.qwen_realtime.usage import Sent, image_tokens, jpeg_size
from mmid.session.dialects.stages import TURN_STAGES, TurnStage
from mmid.session.effects import Effects, Emit, FlushPlayer, Note, Send, SendAudio

# What an image may be (section 9): 256 KB of base64 are so many bytes.
_LARGEST_IMAGE_BYTES = 190 * 1024
_LONG_SIDE, _SHORT_SIDE = 1920, 1080
# Frames of video are at least so far apart (section 9).
_VIDEO_FRAME_S = 1.0
# A picture needs sound before it (section 9): so much silence is sent if there is none.
_SILENCE_FOR_IMAGE = bytes(LEAST_SPEECH_BYTES)
# Somebody talks, or what was said has not been taken yet: a frame goes with that.
_SPEECH_STAGES = {TurnStage.TALKING, TurnStage.TRAILING, TurnStage.RECOGNISING}
# Beyond the pause that ends a speech, so that the service surely hears it.
_TAIL_MARGIN_S = 0.5

_LARGEST_RESULT_BYTES = 65536


def start_speech(machine: RealtimeMachine, now: float) -> Effects:
    """Begin a speech, after an interruption if a turn is under way."""
    machine.check_speech()
    machine.cause = "start_speech"
    again = machine.stage in TURN_STAGES
    cut = _leave_turn(machine, now)
    opened = machine.enter(TurnStage.TALKING, now)
    return [*cut, *opened, Emit(SpeechRestart() if again else SpeechStart())]


def stop_speech(machine: RealtimeMachine, now: float, pause_ms: int) -> Effects:
    """End the speech; where the service hears the end by itself, by so much silence."""
    machine.cause = "stop_speech"
    if machine.stage is not TurnStage.TALKING:
        return []
    if not machine.mode.framed:
        heard = machine.hearing.open
        seconds = pause_ms / 1000 + _TAIL_MARGIN_S
        tail = SendAudio(bytes(int(seconds * SPEECH_BYTES_PER_S) & ~1), backlog=True)
        return [
            tail,
            *machine.enter(TurnStage.RECOGNISING if heard else TurnStage.TRAILING, now),
        ]
    if machine.sent.speech_s * SPEECH_BYTES_PER_S < LEAST_SPEECH_BYTES:
        machine.sent.speech_s = 0.0
        return [*machine.clear(), *empty_turn(machine, now)]
    machine.committed()
    return [Send(machine.events.commit()), *machine.ask(machine.events.respond(), now)]


def empty_turn(machine: RealtimeMachine, now: float) -> Effects:
    """Nothing was said: tell an empty turn (section 13)."""
    return [*machine.hearing.complete(""), *machine.listen(now)]


def cancel_speech(machine: RealtimeMachine, now: float) -> Effects:
    """Forget the speech under way."""
    machine.cause = "cancel_speech"
    if machine.stage is not TurnStage.TALKING:
        return []
    forgotten = machine.hearing.forget()
    machine.new_turn()
    return [*forgotten, *machine.clear(), *machine.listen(now)]


def interrupt(machine: RealtimeMachine, now: float) -> Effects:
    """Cut the turn under way; a speech goes on."""
    machine.check_ready()
    machine.cause = "interrupt"
    if machine.stage not in TURN_STAGES:
        return []
    cut = machine.cut_turn(now)
    machine.new_turn()
    return [*cut, *machine.enter(TurnStage.LISTENING, now), Emit(SpeechPrepare())]


def ask(
    machine: RealtimeMachine,
    text: str,
    now: float,
    *,
    images: Sequence[bytes] = (),
    biz_params: Mapping[str, Any] | None = None,
) -> Effects:
    """Have the model answer the text, or what the images ask."""
    machine.cause = "ask"
    if biz_params:
        raise Unsupported("this cloud takes no parameters with a question")
    if not (text or images):
        raise InvalidArgument("the text is empty")
    if images and not machine.mode.framed:
        raise Unsupported(
            "where the cloud hears the end of a speech, a picture is asked about by voice: "
            "SendVideoFrame while somebody talks"
        )
    pictures = _pictures(images)
    machine.check_free()
    effects = _leave_turn(machine, now)
    machine.hearing.silent = True
    effects += _show(machine, pictures, machine.sent)
    if pictures:
        machine.committed()
        effects.append(Send(machine.events.commit()))
    if text:
        effects.append(Send(machine.events.text(text)))
    # In the handbook's words the commit, or the text, has asked already.
    return [*effects, *machine.ask(machine.events.respond(), now)]


def say(machine: RealtimeMachine, text: str, now: float) -> Effects:
    """Have the text spoken."""
    machine.cause = "say"
    if not text:
        raise InvalidArgument("the text is empty")
    if machine.events.handbook:
        raise Unsupported('qwen.names = "handbook" has no way to have a text spoken')
    machine.check_free()
    return [*_leave_turn(machine, now), *machine.ask([machine.events.say(text)], now)]


def update_info(
    machine: RealtimeMachine,
    now: float,
    *,
    images: Sequence[bytes] = (),
    client_status: Mapping[str, Any] | None = None,
    biz_params: Mapping[str, Any] | None = None,
) -> Effects:
    """Show a frame of video, or change fields of the session; it takes no status of the board."""
    machine.check_ready()
    if client_status:
        raise Unsupported("this cloud has no place for what the board is doing")
    if biz_params:
        if objection := objection_to_change(biz_params):
            raise InvalidArgument(objection)
        return machine.change(biz_params)
    if not images:
        raise InvalidArgument("there is nothing to tell")
    if not machine.settings.video:
        raise Unsupported("frames of video need dialog.video = true")
    if len(images) > 1:
        raise InvalidArgument(f"{len(images)} frames of video at once; it is one by one")
    pictures = _pictures(images)
    if now < machine.video_due:
        raise Busy(f"frames of video are at least {_VIDEO_FRAME_S} s apart")
    machine.video_due = now + _VIDEO_FRAME_S
    if not machine.mode.pressed or machine.stage in _SPEECH_STAGES:
        return _show(machine, pictures, machine.sent)
    # It goes with the next speech, in place of the one before: in a while they would be hundreds.
    replaced = machine.clear() if machine.buffered else []
    return [*replaced, *_show(machine, pictures, machine.waiting)]


def offer_functions(machine: RealtimeMachine, functions: Sequence[Function]) -> Effects:
    """Declare functions besides those of the settings; of two of one name the program's counts."""
    declared = [declaration(one) for one in functions if "/" not in one.name]
    names = {one["function"]["name"] for one in declared}
    own = [one for one in machine.own_tools if one["function"]["name"] not in names]
    tools = [*own, *declared]
    left_out = {one.name: "this cloud's have no domain" for one in functions if "/" in one.name}
    for one in tools[MOST_TOOLS:]:
        left_out[one["function"]["name"]] = f"there are {MOST_TOOLS} already"
    tools = tools[:MOST_TOOLS]
    notes = [Note(f"the function {name} is not offered: {why}") for name, why in left_out.items()]
    if tools == machine.tools:
        return [*notes]
    machine.tools = tools
    return [*notes, *machine.change({"tools": tools})]


def tool_result(machine: RealtimeMachine, call_id: str, result: str, now: float) -> Effects:
    """Answer a call; the model goes on when all of them are answered."""
    machine.check_ready()
    if call_id not in machine.reply.calls:
        raise InvalidArgument(f"no function waits for an answer under the id {call_id!r}")
    if len(result.encode()) > _LARGEST_RESULT_BYTES:
        raise InvalidArgument(f"a result has at most {_LARGEST_RESULT_BYTES} bytes")
    machine.cause = "tool_result"
    return _answer(machine, {call_id: result}, now)


def answer_for_the_silent(machine: RealtimeMachine, now: float) -> Effects:
    """Tell the model that the functions which have not answered will not."""
    silent = dict.fromkeys(machine.reply.calls, '{"error":"no answer in time"}')
    return _answer(machine, silent, now)


def _answer(machine: RealtimeMachine, results: Mapping[str, str], now: float) -> Effects:
    effects: Effects = []
    for call_id, result in results.items():
        del machine.reply.calls[call_id]
        effects.append(Send(machine.events.output(call_id, result)))
    if machine.reply.calls or machine.stage is not TurnStage.CALLING:
        return effects  # the response that called has not ended, or others are still to answer
    return [*effects, *machine.ask(machine.events.respond(), now)]


def _leave_turn(machine: RealtimeMachine, now: float) -> Effects:
    """Begin a turn of one's own, whatever is under way."""
    silence: Effects = [FlushPlayer()]
    left = machine.cut_turn(now) if machine.stage in TURN_STAGES else silence
    if machine.stage is TurnStage.TRAILING:  # the service may yet hear a speech, and answer it
        left = [*left, *machine.clear()]
    machine.new_turn()
    return left


def _pictures(images: Sequence[bytes]) -> list[tuple[bytes, tuple[int, int]]]:
    """Return the images with their sizes in pixels."""
    pictures = []
    for image in images:
        size = jpeg_size(image)
        if size is None:
            raise InvalidArgument("this cloud takes JPEG images only")
        if len(image) > _LARGEST_IMAGE_BYTES:
            raise InvalidArgument(
                f"an image of {len(image)} bytes; this cloud takes at most {_LARGEST_IMAGE_BYTES}"
            )
        if max(size) > _LONG_SIDE or min(size) > _SHORT_SIDE:
            told = "x".join(map(str, size))
            raise InvalidArgument(f"an image of {told} pixels; this cloud takes at most 1920x1080")
        pictures.append((image, size))
    return pictures


def _show(
    machine: RealtimeMachine,
    pictures: Sequence[tuple[bytes, tuple[int, int]]],
    counted: Sent,
) -> Effects:
    """Send pictures, and count them."""
    effects: Effects = []
    for image, (width, height) in pictures:
        if not machine.buffered:
            machine.buffered = True
            effects.append(SendAudio(_SILENCE_FOR_IMAGE, backlog=True))
            counted.speech_s += len(_SILENCE_FOR_IMAGE) / SPEECH_BYTES_PER_S
        counted.images.append(image_tokens(machine.model, width, height))
        effects.append(Send(machine.events.image(image)))
    return effects
