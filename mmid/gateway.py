"""The application: what ``org.mmid1`` asks for, put to the dialog and the board.

Between the D-Bus front (which only translates), the session (which talks to
the cloud) and the board's host (which carries out what the cloud wants).
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import get_args

from mmid.black_box import BlackBox
from mmid.board_host import BoardHost
from mmid.errors import InvalidArgument, NotReady
from mmid.events import Error, State
from mmid.hal import Clock
from mmid.session.conversation import Conversation
from mmid.session.effects import Emit
from mmid.session.license.record_book import RecordBook
from mmid.session.supervisor import Supervisor
from mmid.settings import WorkMode
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
        return self._host.talker.press(client)

    def stop_speech(self, client: str) -> None:
        """End the client's speech; it is answered.

        Raises:
            NotTalking: the client does not hold the microphone.
        """
        self._host.talker.release(client)

    def cancel_speech(self, client: str) -> None:
        """Forget the client's speech.

        Raises:
            NotTalking: the client does not hold the microphone.
        """
        self._host.talker.cancel(client)

    def interrupt(self) -> None:
        """Silence the reply and listen.

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
        conversation = self._conversation()
        conversation.perform(conversation.dialect.ask(text, self._loop.time()))

    def say(self, text: str) -> None:
        """Have a text spoken.

        Raises:
            Busy: somebody talks.
            NotReady: no dialog is connected and listening.
        """
        conversation = self._conversation()
        conversation.perform(conversation.dialect.say(text, self._loop.time()))

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
        if mode == self._status.work_mode:
            return
        self._host.talker.refuse(NotReady("the work mode was changed before the dialog was ready"))
        self._status.update(work_mode=mode)
        self._restart("the work mode was changed")

    def history(self) -> Sequence[tuple[int, str, str]]:
        """Return the last transitions, oldest first: Unix milliseconds, state, cause."""
        return self._black_box.history(self._loop.time(), self._clock.now_ms())

    def set_volume(self, percent: int) -> None:
        """Set the loudspeaker's volume, 0 to 100; raises as ``LoudspeakerVolume`` does."""
        self._host.volume.set_volume(percent)

    def set_muted(self, muted: bool) -> None:
        """Mute or unmute the loudspeaker; raises as ``LoudspeakerVolume`` does."""
        self._host.volume.set_muted(muted)

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

    def _conversation(self) -> Conversation:
        conversation = self._supervisor.conversation
        if conversation is None:
            raise NotReady(f"no dialog is connected: {self._status.state}")
        return conversation

    def _restart(self, why: str) -> None:
        """End the conversation politely and begin another; a turn under way is told lost."""
        if self._status.state in {State.THINKING, State.RESPONDING} or self._status.talker:
            self._host.perform(Emit(Error("connection-lost", f"{why} in mid-turn")))
        self._supervisor.restart()
