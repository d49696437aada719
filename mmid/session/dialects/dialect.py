"""What every dialect is to the session and the gateway, whichever cloud it speaks to."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mmid.frozen import frozen
from mmid.session.effects import Effects


@frozen
class Function:
    """What the model is told of a function that it may call.

    Attributes:
        name: as it is called; with a domain (``domain/name``) where the cloud has these.
        description: what it does, for the model.
        parameters: JSON schema of the object that it takes.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]


class Dialect(Protocol):
    """One connection's protocol, from its first message to its last.

    ``now`` is always the monotonic time in seconds. Inputs never raise but for
    the commands, which raise a ``CallerError`` when they cannot be obeyed now.
    """

    @property
    def deadline(self) -> float:
        """When ``tick`` is due; ``inf`` if it never is."""

    @property
    def reached_listening(self) -> bool:
        """Whether this connection was usable at least once."""

    @property
    def in_turn(self) -> bool:
        """Whether somebody would miss something if the connection ended now.

        ``State`` does not tell: it is still listening while the cloud has yet to think about
        a question.
        """

    def begin(self, now: float) -> Effects:
        """The connection is open."""

    def end(self, now: float, why: str = "") -> Effects:
        """We want to leave: say so politely. The connection is closed afterwards.

        ``why`` tells what cuts a turn under way, which is then told as lost; empty: nobody is told.
        """

    def closed(self, code: int | None, reason: str, now: float) -> Effects:
        """The connection is gone, whoever ended it: close what is open, say what follows.

        ``code`` is that of WebSocket's close frame, None if the connection just broke;
        ``reason`` is its text, which may be empty.
        """

    def receive_text(self, text: str, now: float) -> Effects:
        """A text frame arrived; one of nothing but ``Play`` brings no deadline nearer."""

    def receive_binary(self, data: bytes, now: float) -> Effects:
        """A binary frame arrived; of nothing but ``Play`` as ``receive_text``."""

    def pong(self, now: float) -> Effects:
        """The cloud answered a ping of WebSocket."""

    def speech_frame(self, data: bytes) -> str | bytes:
        """Return the frame that carries this speech, as the protocol has it on the wire."""

    def trace(self, text: str) -> str:
        """Return what of a text frame, either way, may be logged: no audio in any encoding."""

    def tick(self, now: float) -> Effects:
        """The deadline has come."""

    def record(self, data: bytes, now: float) -> Effects:
        """The microphone recorded this. It may put the deadline off, never bring it nearer."""

    def recorder_failed(self, now: float) -> Effects:
        """The microphone ended by itself, or ``StartRecorder`` could not open it.

        What a press began is cancelled. A microphone that the dialect itself opened
        (duplex) is asked for again, by ``StartRecorder``, after a while.
        """

    def playback_started(self, now: float) -> Effects:
        """The first sample of the reply can be heard."""

    def playback_finished(self, now: float) -> Effects:
        """The last sample of the reply was heard."""

    def playback_failed(self, now: float) -> Effects:
        """The loudspeaker ended by itself; this reply cannot be heard."""

    def check_speech(self) -> None:
        """Raise what ``start_speech`` would; the microphone is not open yet.

        Raises:
            NotReady: the cloud has not listened yet on this connection.
            Busy: somebody talks.
            Unsupported: nobody opens the microphone in this work mode: it is always open.
        """

    def start_speech(self, now: float) -> Effects:
        """The microphone was opened by a press."""

    def stop_speech(self, now: float) -> Effects:
        """The microphone was closed; everything recorded was handed over before.

        What was said is answered, also where the cloud itself hears the end of it.
        """

    def cancel_speech(self, now: float) -> Effects:
        """Forget what was said."""

    def interrupt(self, now: float) -> Effects:
        """Stop the reply, or drop the question that waits for its turn, and listen."""

    def ask(
        self,
        text: str,
        now: float,
        *,
        images: Sequence[bytes] = (),
        biz_params: Mapping[str, Any] | None = None,
    ) -> Effects:
        """Put the text to the model as if it had been spoken.

        Args:
            text: the question; may be empty if there are images or ``biz_params``.
            now: monotonic seconds.
            images: JPEG or PNG files the question is about.
            biz_params: what the cloud's application is given for this question only.

        Raises:
            NotReady: the cloud has not listened yet on this connection.
            Busy: somebody talks.
            InvalidArgument: nothing is asked, or an image is too large for the cloud.
            Unsupported: this cloud takes no images or parameters.
        """

    def say(self, text: str, now: float) -> Effects:
        """Have the text spoken as it is; raises as ``ask`` does."""

    def update_info(
        self,
        now: float,
        *,
        images: Sequence[bytes] = (),
        client_status: Mapping[str, Any] | None = None,
        biz_params: Mapping[str, Any] | None = None,
    ) -> Effects:
        """Tell the cloud something about the board, in any state.

        Args:
            now: monotonic seconds.
            images: a frame of video, JPEG or PNG.
            client_status: what the board is doing, such as
                ``{"phone_ringing": {"status": "stopped"}}``.
            biz_params: replaces the same parameters for the rest of the connection.

        Raises:
            NotReady: the cloud has not listened yet on this connection.
            Busy: a frame of video came too soon after the last.
            InvalidArgument: nothing is told, or an image is too large for the cloud.
            Unsupported: this cloud, or this work mode, takes none of it.
        """

    def offer_functions(self, functions: Sequence[Function], now: float) -> Effects:
        """Let the model call these from now on, besides those of the settings.

        Whoever has the model's functions from elsewhere (a console) does nothing.
        """

    def tool_result(self, call_id: str, result: str, now: float) -> Effects:
        """Hand the cloud what a function returned that it called (``ToolCall``).

        Args:
            call_id: the ``id`` of the call.
            result: what the function returned, JSON for most; at most 64 KiB.
            now: monotonic seconds.

        Raises:
            NotReady: the cloud has not listened yet on this connection.
            InvalidArgument: nothing waits for this answer, or it is too long.
            Unsupported: this cloud takes no results.
        """
