"""What people want of a ``multimodal-dialog``: to talk, to ask, to interrupt, to tell it something.

The commands of ``Dialect``, which describes them, as functions over the machine. They raise a
``CallerError`` when they cannot be obeyed now, before anything was changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmid.errors import Busy, InvalidArgument, NotReady, Unsupported
from mmid.events import Error
from mmid.session.dialects.multimodal_dialog.machine import Machine
from mmid.session.dialects.multimodal_dialog.stages import CLOUD_LISTENS, Stage
from mmid.session.dialects.multimodal_dialog.turn import Floor
from mmid.session.effects import Effects, Emit, FlushPlayer, Send

# Frames of video are at least so far apart (section 10).
_VIDEO_FRAME_S = 0.5

_LARGEST_RESULT_BYTES = 65536


def check_speech(machine: Machine) -> None:
    """Raise if no speech can begin now."""
    if not machine.mode.pressed:
        raise Unsupported("in duplex the microphone is always open; just talk")
    _check_free(machine)


def start_speech(machine: Machine, now: float) -> Effects:
    """Begin a speech, after an interruption if the cloud does not listen."""
    check_speech(machine)
    machine.cause = "start_speech"
    machine.backlog.clear()
    if machine.stage in CLOUD_LISTENS:
        return [FlushPlayer(), *machine.open_speech(now)]
    effects = [*_drop_question(machine, "somebody began to talk"), *machine.ask_floor(now)]
    machine.floor.speech, machine.floor.released = True, False
    return effects + (machine.floor_given(now) if machine.floor.granted else [])


def stop_speech(machine: Machine, now: float) -> Effects:
    """End the speech; if the cloud does not listen yet, as soon as all of it was sent."""
    machine.cause = "stop_speech"
    return machine.end_speech(now)


def cancel_speech(machine: Machine, now: float) -> Effects:
    """Forget the speech under way."""
    machine.cause = "cancel_speech"
    return machine.forget_speech(now)


def interrupt(machine: Machine, now: float) -> Effects:
    """Cut the turn under way, also one that has yet to begin; a speech goes on."""
    _check_ready(machine)
    machine.cause = "interrupt"
    if machine.stage is Stage.ASKING:
        return _drop_question(machine, "it was interrupted")
    stays = machine.stage in CLOUD_LISTENS | {Stage.TALKING}
    return [] if stays else machine.ask_floor(now)


def ask(machine: Machine, text: str, now: float, **more: Any) -> Effects:
    """Have the model answer the text, or what the images or parameters ask."""
    machine.cause = "ask"
    if not (text or any(more.values())):
        raise InvalidArgument("the text is empty")
    return _request(machine, now, "prompt", text, **more)


def say(machine: Machine, text: str, now: float) -> Effects:
    """Have the text spoken."""
    machine.cause = "say"
    if not text:
        raise InvalidArgument("the text is empty")
    return _request(machine, now, "transcript", text)


def _request(machine: Machine, now: float, kind: str, text: str, **more: Any) -> Effects:
    _check_free(machine)
    request = machine.frames.request_to_respond(kind, text, **more)
    if machine.stage in CLOUD_LISTENS and now >= machine.pace.request_at:
        return [FlushPlayer(), *machine.send_request(request, now)]
    if machine.stage in CLOUD_LISTENS:
        machine.floor = Floor(request=request)
        return [FlushPlayer(), *machine.floor_given(now)]
    effects = [*_drop_question(machine, "another one came"), *machine.ask_floor(now)]
    machine.floor.request = request
    return effects


def update_info(
    machine: Machine,
    now: float,
    *,
    images: Sequence[bytes] = (),
    client_status: Mapping[str, Any] | None = None,
    biz_params: Mapping[str, Any] | None = None,
) -> Effects:
    """Tell the cloud about the board: UpdateInfo, in any state."""
    _check_ready(machine)
    if not (images or client_status or biz_params):
        raise InvalidArgument("there is nothing to tell")
    if images:
        _check_video(machine, images, now)
    frame = machine.frames.update_info(images, client_status, biz_params)
    machine.video_due = now + _VIDEO_FRAME_S if images else machine.video_due
    return [Send(frame)]


def tool_result(machine: Machine, request: str, result: str) -> Effects:
    """Keep what became of a command until the cloud listens."""
    _check_ready(machine)
    if len(result.encode()) > _LARGEST_RESULT_BYTES:
        raise InvalidArgument(f"a result has at most {_LARGEST_RESULT_BYTES} bytes")
    if not machine.results.come(request, result):
        raise InvalidArgument(f"no command waits for a result under the id {request[:40]!r}")
    return []


def _check_video(machine: Machine, images: Sequence[bytes], now: float) -> None:
    if not machine.settings.video:
        raise Unsupported("frames of video need dialog.video = true")
    if len(images) > 1:
        raise InvalidArgument(f"{len(images)} frames of video at once; it is one by one")
    if now < machine.video_due:
        raise Busy(f"frames of video are at least {_VIDEO_FRAME_S} s apart")


def _drop_question(machine: Machine, why: str) -> Effects:
    if machine.stage is not Stage.ASKING or machine.floor.request is None:
        return []
    machine.floor.request = None
    return [Emit(Error("busy", f"a question was dropped: {why}"))]


def _check_ready(machine: Machine) -> None:
    if not machine.reached_listening or machine.stage is Stage.CLOSED:
        raise NotReady("the dialog is not connected and listening yet")


def _check_free(machine: Machine) -> None:
    """Raise if somebody talks, or waits for the floor to."""
    _check_ready(machine)
    waits = machine.stage is Stage.ASKING and machine.floor.speech
    over_there = machine.stage is Stage.LISTENING and machine.turn.asr_open  # duplex
    if machine.stage is Stage.TALKING or waits or over_there:
        raise Busy("somebody is talking already")
