"""The application: what ``org.mmid1`` asks for, put to the dialog and the board.

Between the D-Bus front (which only translates), the session (which talks to
the cloud) and the board's host (which carries out what the cloud wants).
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, cast, get_args

from mmid.errors import InvalidArgument, NotReady
from mmid.gateway.black_box import BlackBox
from mmid.gateway.board_host import BoardHost
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
        host: what the dialog does on this board.
        status: what is shown of both.
        book: the device record.
        black_box: what happened last.
        clock: the time of the history.
    """

    def __init__(
        self,
        *,
        supervisor: Supervisor,
        host: BoardHost,
        status: Status,
        book: RecordBook,
        black_box: BlackBox,
        clock: Clock,
    ) -> None:
        self._supervisor = supervisor
        self._host = host
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
        self._host.talker.refuse(NotReady("Disconnect came before the dialog was ready"))
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
        pressed, again = self._loop.time(), self._status.talker == client
        waiting = self._host.talker.press(client)
        if not again:
            self._host.timeline.begin(pressed)
        return waiting

    def stop_speech(self, client: str) -> None:
        """End the client's speech; it is answered.

        Raises:
            NotTalking: the client does not hold the microphone.
        """
        self._host.talker.release(client)
        self._host.timeline.mark(Moment.RELEASE, self._loop.time())

    def cancel_speech(self, client: str) -> None:
        """Forget the client's speech.

        Raises:
            NotTalking: the client does not hold the microphone.
        """
        self._host.talker.cancel(client)

    def interrupt(self) -> None:
        """Silence the reply and listen; a question that was not put yet is dropped.

        Raises:
            NotReady: no dialog is connected and listening.
        """
        conversation = self._conversation()
        conversation.perform(conversation.dialect.interrupt(self._loop.time()))

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
        dialect, now = self._conversation().dialect, self._loop.time()
        effects = dialect.update_info(now, client_status=status, biz_params=parameters)
        self._conversation().perform(effects)

    def send_video_frame(self, image: bytes) -> None:
        """Show the cloud a JPEG or PNG image as the next frame of a video.

        Raises:
            Busy: the last frame was less than half a second ago.
            NotReady: no dialog is connected.
            Unsupported: dialog.video is not set.
            InvalidArgument: the image is too large for the cloud.
        """
        dialect, now = self._conversation().dialect, self._loop.time()
        self._conversation().perform(dialect.update_info(now, images=(image,)))

    def say(self, text: str) -> None:
        """Have a text spoken.

        Raises:
            Busy: somebody talks.
            NotReady: no dialog is connected and listening.
        """
        conversation, now = self._conversation(), self._loop.time()
        conversation.perform(conversation.dialect.say(text, now))
        self._host.timeline.begin(now)

    def new_dialog(self) -> None:
        """Forget the dialog and begin another at once."""
        self._book.remember_dialog("")
        self._status.update(dialog_id="")
        self._restart("a new dialog was begun")

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
        self._host.talker.refuse(NotReady("the work mode was changed before the dialog was ready"))
        self._supervisor.set_work_mode(cast("WorkMode", mode))
        self._restart("the work mode was changed")

    def use(self, settings: Settings) -> None:
        """Go on with the dialog by other settings, over another connection."""
        self._supervisor.use(settings)
        self._restart("the settings were changed")

    def history(self) -> Sequence[tuple[int, str, str]]:
        """Return the last transitions, oldest first: Unix milliseconds, state, cause."""
        return self._black_box.history(self._loop.time(), self._clock.now_ms())

    def set_volume(self, percent: int) -> None:
        """Set the loudspeaker's volume, 0 to 100; raises as ``LoudspeakerVolume`` does."""
        self._host.volume.set_volume(percent)

    def set_muted(self, muted: bool) -> None:
        """Mute or unmute the loudspeaker; raises as ``LoudspeakerVolume`` does."""
        self._host.volume.set_muted(muted)

    def level(self) -> int:
        """How loud the microphone is now, 0 to 100; 0 while nobody talks."""
        return self._host.microphone.level

    def timeline(self) -> list[dict[str, float]]:
        """Return when what happened in the last turns; see ``Timeline.to_plain``."""
        return self._host.timeline.to_plain(self._loop.time(), self._clock.now_ms())

    async def register(self) -> None:
        """Try again after a refusal."""
        self._supervisor.register()

    async def reset(self) -> None:
        """Forget who this device is, and stay disconnected until ``connect`` or ``register``.

        Raises:
            StorageFailed: the record could not be erased.
        """
        self._host.talker.refuse(NotReady("the device record was erased"))
        await self._supervisor.stop()
        await self._book.erase()
        self._supervisor.forget()
        _log.warning("the device record was erased")

    def client_left(self, client: str) -> None:
        """A client left the bus: if it held the microphone, what it said is nobody's."""
        self._host.talker.left(client)

    def _ask(self, text: str, **more: Any) -> None:
        conversation, now = self._conversation(), self._loop.time()
        conversation.perform(conversation.dialect.ask(text, now, **more))
        self._host.timeline.begin(now)

    def _conversation(self) -> Conversation:
        conversation = self._supervisor.conversation
        if conversation is None:
            raise NotReady(f"no dialog is connected: {self._status.state}")
        return conversation

    def _restart(self, why: str) -> None:
        """End the conversation politely and begin another; a turn under way is told lost."""
        self._supervisor.restart(why)
