"""The application: what ``org.mmid1`` asks for, put to the dialog and the board.

Between the D-Bus front (which only translates), the session (which talks to
the cloud) and the board (which carries out what the cloud wants).
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, cast, get_args

from mmid.errors import InvalidArgument, NotReady
from mmid.gateway.black_box import BlackBox
from mmid.gateway.board import Board
from mmid.gateway.timeline import Moment
from mmid.hal import Clock
from mmid.session.conversation import Conversation
from mmid.session.license.record_book import RecordBook
from mmid.session.supervisor import Supervisor
from mmid.settings import Settings, WorkMode
from mmid.status import Status

__all__ = ["Gateway"]

_log = logging.getLogger(__name__)

_WORK_MODES = get_args(WorkMode)


class Gateway:
    """Implements ``Application``.

    Args:
        supervisor: keeps the dialog.
        board: what the dialog does here.
        status: what is shown of both.
        book: the device record.
        black_box: what happened last.
        clock: the time of the history.
    """

    def __init__(
        self,
        *,
        supervisor: Supervisor,
        board: Board,
        status: Status,
        book: RecordBook,
        black_box: BlackBox,
        clock: Clock,
    ) -> None:
        self._supervisor = supervisor
        self._board = board
        self._status = status
        self._book = book
        self._black_box = black_box
        self._clock = clock
        self._loop = asyncio.get_running_loop()

    # --- the dialog -----------------------------------------------------------------------

    def connect(self) -> None:
        """Connect now and stay connected."""
        self._supervisor.connect()

    def disconnect(self) -> None:
        """Disconnect and stay disconnected until ``connect``."""
        self._board.microphone.refuse(NotReady("Disconnect came before the dialog was ready"))
        self._supervisor.disconnect()

    def start_speech(self, client: str) -> Awaitable[None] | None:
        """Lend the microphone to the client and open it.

        Returns:
            None; or, if the dialog is not ready yet, what ends when it is.

        Raises:
            Busy: another client holds it.
            NotReady: no dialog is connected and listening, nor soon will be.
            Unsupported: in duplex nobody presses.
            AudioDeviceFailed: the microphone cannot be opened.
        """
        microphone, pressed = self._board.microphone, self._loop.time()
        again = microphone.holder == client
        waiting = microphone.press(client)
        if not again:
            self._board.timeline.begin(pressed)
        return waiting

    def stop_speech(self, client: str) -> None:
        """End the client's speech; it is answered.

        Raises:
            NotTalking: the client does not hold the microphone, or has stopped already.
        """
        self._board.microphone.release(client)
        self._board.timeline.mark(Moment.RELEASE, self._loop.time())

    def cancel_speech(self, client: str) -> None:
        """Forget the client's speech.

        Raises:
            NotTalking: the client does not hold the microphone.
        """
        self._board.microphone.cancel(client)

    def interrupt(self) -> None:
        """Silence the reply and listen; a question that was not put yet is dropped.

        Raises:
            NotReady: no dialog is connected and listening.
        """
        self._conversation().interrupt()

    def ask(self, text: str) -> None:
        """Put a text to the model.

        Raises:
            Busy: somebody talks.
            NotReady: no dialog is connected and listening.
        """
        self._ask(text)

    def ask_about_image(self, text: str, image: bytes) -> None:
        """Put a JPEG or PNG image to the model, and a text that may be empty.

        Raises:
            Busy: somebody talks.
            NotReady: no dialog is connected and listening.
            InvalidArgument: the image is too large for the cloud.
            Unsupported: the cloud takes no images.
        """
        self._ask(text, images=(image,))

    def ask_with(self, text: str, parameters: Mapping[str, Any]) -> None:
        """Put a text, which may be empty, to the model with parameters for its agents.

        Raises:
            Busy: somebody talks.
            NotReady: no dialog is connected and listening.
            InvalidArgument: there is neither text nor parameter.
        """
        self._ask(text, biz_params=parameters)

    def update_info(self, status: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        """Tell the cloud the status of this board, and parameters for the rest of the connection.

        Raises:
            NotReady: no dialog is connected.
            InvalidArgument: there is neither status nor parameter.
        """
        self._conversation().update_info(client_status=status, biz_params=parameters)

    def send_video_frame(self, image: bytes) -> None:
        """Show the cloud a JPEG or PNG image as the next frame of a video.

        Raises:
            Busy: the last frame was less than half a second ago.
            NotReady: no dialog is connected.
            Unsupported: dialog.video is not set.
            InvalidArgument: the image is too large for the cloud.
        """
        self._conversation().update_info(images=(image,))

    def say(self, text: str) -> None:
        """Have a text spoken.

        Raises:
            Busy: somebody talks.
            NotReady: no dialog is connected and listening.
        """
        asked = self._loop.time()
        self._conversation().say(text)
        self._board.timeline.begin(asked)

    def new_dialog(self) -> None:
        """Forget the dialog and begin another at once."""
        self._book.remember_dialog("")
        self._status.update(dialog_id="")
        self._supervisor.restart("a new dialog was begun")

    def set_work_mode(self, mode: str) -> None:
        """Change the work mode; the dialog goes on in it, by another connection.

        Raises:
            InvalidArgument: there is no such mode.
        """
        if mode not in _WORK_MODES:
            allowed = ", ".join(_WORK_MODES)
            raise InvalidArgument(f"WorkMode is one of {allowed}, not {mode[:40]!r}")
        if mode == self._supervisor.work_mode:
            return
        why = "the work mode was changed"
        self._board.microphone.refuse(NotReady(f"{why} before the dialog was ready"))
        self._supervisor.set_work_mode(cast("WorkMode", mode))
        self._supervisor.restart(why)

    def use(self, settings: Settings) -> None:
        """Go on with the dialog by other settings, over another connection."""
        self._supervisor.use(settings)
        self._supervisor.restart("the settings were changed")

    def history(self) -> Sequence[tuple[int, str, str]]:
        """Return the last transitions, oldest first: Unix milliseconds, state, cause."""
        return self._black_box.history(self._loop.time(), self._clock.now_ms())

    def set_volume(self, percent: int) -> None:
        """Set the loudspeaker's volume, 0 to 100; raises as ``Loudspeaker`` does."""
        self._board.loudspeaker.set_volume(percent)

    def set_muted(self, muted: bool) -> None:
        """Mute or unmute the loudspeaker; raises as ``Loudspeaker`` does."""
        self._board.loudspeaker.set_muted(muted)

    def level(self) -> int:
        """How loud the microphone is now, 0 to 100; 0 while nobody talks."""
        return self._board.microphone.level

    def timeline(self) -> list[dict[str, float]]:
        """Return when what happened in the last turns; see ``Timeline.to_plain``."""
        return self._board.timeline.to_plain(self._loop.time(), self._clock.now_ms())

    async def register(self) -> None:
        """Try again after a refusal."""
        self._supervisor.register()

    async def reset(self) -> None:
        """Forget who this device is, and stay disconnected until ``connect`` or ``register``.

        Raises:
            StorageFailed: the record could not be erased.
        """
        self._board.microphone.refuse(NotReady("the device record was erased"))
        await self._supervisor.stop()
        await self._book.erase()
        self._supervisor.forget()
        _log.warning("the device record was erased")

    def client_left(self, client: str) -> None:
        """A client left the bus: if it held the microphone, what it said is nobody's."""
        self._board.microphone.left(client)

    def _ask(self, text: str, **more: Any) -> None:
        asked = self._loop.time()
        self._conversation().ask(text, **more)
        self._board.timeline.begin(asked)

    def _conversation(self) -> Conversation:
        conversation = self._supervisor.conversation
        if conversation is None:
            raise NotReady(f"no dialog is connected: {self._status.state}")
        return conversation
