"""What people want of a ``multimodal-dialog``: to talk, to ask, to interrupt, to tell it something.

The commands of ``Dialect``. They raise a ``CallerError`` when they cannot be
obeyed now, before anything was changed.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from mmid.errors import Busy, InvalidArgument, NotReady, Unsupported
from mmid.events import Error
from mmid.session.dialects.multimodal_dialog.directives import Frames
from mmid.session.dialects.multimodal_dialog.machine import Effects, Machine
from mmid.session.dialects.multimodal_dialog.stages import CLOUD_LISTENS, Stage
from mmid.session.dialects.multimodal_dialog.turn import Floor
from mmid.session.effects import Emit, FlushPlayer, Send
from mmid.settings import Dialog

__all__ = ["Talk"]

# Frames of video are at least so far apart (section 10).
_VIDEO_FRAME_S = 0.5


class Talk(Machine):
    """The machine with the commands of the gateway; arguments as ``Machine``'s."""

    def __init__(self, settings: Dialog, frames: Frames, listening_by: float) -> None:
        super().__init__(settings, frames, listening_by)
        self._video = settings.video
        self._video_due = -inf

    def check_speech(self) -> None:
        """Raise if no speech can begin now."""
        if not self.mode.pressed:
            raise Unsupported("in duplex the microphone is always open; just talk")
        self._check_free()

    def start_speech(self, now: float) -> Effects:
        """Begin a speech, after an interruption if the cloud does not listen."""
        self.check_speech()
        self.cause = "start_speech"
        self.backlog.clear()
        if self.stage in CLOUD_LISTENS:
            return [FlushPlayer(), *self.open_speech(now)]
        effects = [*self._drop_question("somebody began to talk"), *self.ask_floor(now)]
        self.floor.speech, self.floor.released = True, False
        return effects + (self.floor_given(now) if self.floor.granted else [])

    def stop_speech(self, now: float) -> Effects:
        """End the speech; if the cloud does not listen yet, as soon as all of it was sent."""
        self.cause = "stop_speech"
        return self.end_speech(now)

    def cancel_speech(self, now: float) -> Effects:
        """Forget the speech under way."""
        self.cause = "cancel_speech"
        return self.forget_speech(now)

    def interrupt(self, now: float) -> Effects:
        """Cut the turn under way, also one that has yet to begin; a speech goes on."""
        self._check_ready()
        self.cause = "interrupt"
        if self.stage is Stage.ASKING:
            return self._drop_question("it was interrupted")
        stays = self.stage in CLOUD_LISTENS | {Stage.TALKING}
        return [] if stays else self.ask_floor(now)

    def ask(
        self,
        text: str,
        now: float,
        *,
        images: Sequence[bytes] = (),
        biz_params: Mapping[str, Any] | None = None,
    ) -> Effects:
        """Have the model answer the text, or what the images or parameters ask."""
        self.cause = "ask"
        if not (text or images or biz_params):
            raise InvalidArgument("the text is empty")
        return self._request(now, "prompt", text, images, biz_params)

    def say(self, text: str, now: float) -> Effects:
        """Have the text spoken."""
        self.cause = "say"
        if not text:
            raise InvalidArgument("the text is empty")
        return self._request(now, "transcript", text)

    def _request(
        self,
        now: float,
        kind: str,
        text: str,
        images: Sequence[bytes] = (),
        biz_params: Mapping[str, Any] | None = None,
    ) -> Effects:
        self._check_free()
        request = self.frames.request_to_respond(kind, text, images, biz_params)
        if self.stage in CLOUD_LISTENS and now >= self.pace.request_at:
            return [FlushPlayer(), *self.send_request(request, now)]
        if self.stage in CLOUD_LISTENS:
            self.floor = Floor(request=request)
            return [FlushPlayer(), *self.floor_given(now)]
        effects = [*self._drop_question("another one came"), *self.ask_floor(now)]
        self.floor.request = request
        return effects

    def update_info(
        self,
        now: float,
        *,
        images: Sequence[bytes] = (),
        client_status: Mapping[str, Any] | None = None,
        biz_params: Mapping[str, Any] | None = None,
    ) -> Effects:
        """Tell the cloud about the board: UpdateInfo, in any state."""
        self._check_ready()
        if not (images or client_status or biz_params):
            raise InvalidArgument("there is nothing to tell")
        if images:
            self._check_video(images, now)
        frame = self.frames.update_info(images, client_status, biz_params)
        self._video_due = now + _VIDEO_FRAME_S if images else self._video_due
        return [Send(frame)]

    def _check_video(self, images: Sequence[bytes], now: float) -> None:
        if not self._video:
            raise Unsupported("frames of video need dialog.video = true")
        if len(images) > 1:
            raise InvalidArgument(f"{len(images)} frames of video at once; it is one by one")
        if now < self._video_due:
            raise Busy(f"frames of video are at least {_VIDEO_FRAME_S} s apart")

    def _drop_question(self, why: str) -> Effects:
        if self.stage is not Stage.ASKING or self.floor.request is None:
            return []
        self.floor.request = None
        return [Emit(Error("busy", f"a question was dropped: {why}"))]

    def _check_ready(self) -> None:
        if not self.reached_listening or self.stage is Stage.CLOSED:
            raise NotReady("the dialog is not connected and listening yet")

    def _check_free(self) -> None:
        """Raise if somebody talks, or waits for the floor to."""
        self._check_ready()
        waits = self.stage is Stage.ASKING and self.floor.speech
        over_there = self.stage is Stage.LISTENING and self.turn.asr_open  # duplex
        if self.stage is Stage.TALKING or waits or over_there:
            raise Busy("somebody is talking already")
