"""The application: what ``org.mmid1`` asks for, put to the dialog and the board.

Between the D-Bus front (which only translates), the session (which talks to
the cloud) and the board (which carries out what the cloud wants).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from math import ceil
from typing import Any, cast, get_args

from mmid.errors import Busy, CallerError, InvalidArgument, NotReady
from mmid.gateway.black_box import BlackBox
from mmid.gateway.board import Board
from mmid.gateway.idle import Idle
from mmid.gateway.microphone import WaitedInVain
from mmid.gateway.timeline import Moment
from mmid.gateway.wishes import Wishes
from mmid.hal import Clock
from mmid.session.conversation import Conversation
from mmid.session.dialects.dialect import Function
from mmid.session.license.record_book import RecordBook
from mmid.session.supervisor import Supervisor
from mmid.settings import Settings, WorkMode
from mmid.status import Status

_log = logging.getLogger(__name__)

_WORK_MODES = get_args(WorkMode)

# So many connections may be asked for in a row, and then one now and then, as with presses: a
# program gone wild must not storm the cloud, nor the license service. Nobody taps so often.
_CONNECTIONS_AT_ONCE = 10
_CONNECTION_EVERY_S = 5.0


class Gateway:
    """Implements ``Application``.

    Args:
        supervisor: keeps the dialog.
        board: what the dialog does here.
        status: what is shown of both.
        book: the device record.
        black_box: what happened last.
        clock: the time of the history.
        settings: how one talks, until they are read again.
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
        settings: Settings,
    ) -> None:
        self._supervisor = supervisor
        self._board = board
        self._status = status
        self._book = book
        self._black_box = black_box
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._rested_at = 0.0
        self._idle = Idle(settings.dialog, status, supervisor)
        self._wishes = Wishes(settings, status, supervisor)
        board.on_ready = self._connected

    # --- the dialog -----------------------------------------------------------------------

    def connect(self) -> None:
        if not self._supervisor.stays_connected:
            self._count_connection()
        self._supervisor.connect()

    def disconnect(self) -> None:
        self._board.microphone.refuse(NotReady("Disconnect came before the dialog was ready"))
        self._supervisor.disconnect()

    def start_speech(
        self, client: str, max_s: float = 0.0, preroll_ms: int = 0
    ) -> Awaitable[None] | None:
        microphone, pressed = self._board.microphone, self._loop.time()
        again = microphone.holder == client
        self._board.prompts.silence()
        try:
            waiting = microphone.press(client, max_s, preroll_ms)
        except NotReady:
            self._board.prompts.refused()
            raise
        if isinstance(waiting, asyncio.Future):
            waiting.add_done_callback(self._press_ended)
        if not again:
            self._board.timeline.begin(pressed)
        return waiting

    def stop_speech(self, client: str) -> None:
        self._board.microphone.release(client)
        self._board.timeline.mark(Moment.RELEASE)

    def cancel_speech(self, client: str) -> None:
        self._board.microphone.cancel(client)

    def interrupt(self) -> None:
        self._conversation().interrupt()

    def ask(self, text: str) -> Awaitable[None] | None:
        return self._ask(text)

    def ask_about_image(self, text: str, image: bytes) -> Awaitable[None] | None:
        return self._ask(text, images=(image,))

    def ask_with(self, text: str, parameters: Mapping[str, Any]) -> Awaitable[None] | None:
        return self._ask(text, biz_params=parameters)

    def update_info(self, status: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        self._wishes.tell(status, parameters)

    def forget_info(self) -> None:
        self._wishes.forget()

    def send_video_frame(self, image: bytes) -> None:
        self._conversation().update_info(images=(image,))

    def tool_result(self, call_id: str, result: str) -> None:
        self._conversation().tool_result(call_id, result)

    def register_tool(
        self, client: str, path: str, name: str, description: str, schema: Mapping[str, Any]
    ) -> None:
        self._board.tools.register(client, path, Function(name, description, schema))

    def unregister_tool(self, client: str, name: str) -> None:
        self._board.tools.unregister(client, name)

    def call_tool(self, name: str, arguments: str) -> Awaitable[str]:
        return self._board.tools.call(name, arguments)

    def tool_owners(self) -> Collection[str]:
        return self._board.tools.owners

    def say(self, text: str) -> Awaitable[None] | None:
        return self._put(lambda conversation: conversation.say(text))

    def new_dialog(self) -> None:
        self._count_connection()
        self._book.remember_dialog("")
        self._status.update(dialog_id="")
        self._supervisor.restart("a new dialog was begun")

    def set_work_mode(self, mode: str) -> None:
        if mode not in _WORK_MODES:
            allowed = ", ".join(_WORK_MODES)
            raise InvalidArgument(f"WorkMode is one of {allowed}, not {mode[:40]!r}")
        if mode == self._supervisor.work_mode:
            return
        self._count_connection()
        why = "the work mode was changed"
        self._board.microphone.refuse(NotReady(f"{why} before the dialog was ready"))
        self._supervisor.set_work_mode(cast("WorkMode", mode))
        self._supervisor.restart(why)

    def use(self, settings: Settings) -> None:
        """Go on with the dialog by other settings, over another connection."""
        self._wishes.use(settings)
        self._supervisor.restart("the settings were changed")

    def set_voice(self, voice: str) -> None:
        rested_at = self._rested_at
        if voice != self._status.voice:
            self._count_connection()
        try:
            self._wishes.set_voice(voice)
        except CallerError:  # no connection is made for it
            self._rested_at = rested_at
            raise

    def _press_ended(self, waiting: asyncio.Future[None]) -> None:
        """A press that came early was taken, or not; who ends it knows why it is not answered."""
        if not waiting.cancelled() and isinstance(waiting.exception(), WaitedInVain):
            self._board.prompts.refused()

    def _connected(self) -> None:
        """A connection takes speech: tell it what it does not know, then whatever waits for it."""
        self._wishes.connected()
        self._idle.connected()

    def history(self) -> Sequence[tuple[int, str, str]]:
        return self._black_box.history(self._loop.time(), self._clock.now_ms())

    def set_volume(self, percent: int) -> None:
        self._board.loudspeaker.set_volume(percent)

    def play_prompt(self, name: str) -> Awaitable[None]:
        return self._board.prompts.play(name)

    def set_muted(self, muted: bool) -> None:
        self._board.loudspeaker.set_muted(muted)

    def open_microphone(self, client: str) -> int:
        return self._board.taps.open(client)

    def level(self) -> int:
        return self._board.microphone.recorder.level

    def timeline(self) -> list[dict[str, float]]:
        return self._board.timeline.to_plain(self._clock.now_ms())

    async def register(self) -> None:
        self._count_connection()
        self._supervisor.register()

    async def reset(self) -> None:
        self._board.microphone.refuse(NotReady("the device record was erased"))
        await self._supervisor.stop()
        await self._book.erase()
        self._status.update(dialog_id="")
        self._supervisor.forget()
        _log.warning("the device record was erased")

    def client_left(self, client: str) -> None:
        self._board.microphone.left(client)
        self._board.taps.left(client)
        self._board.tools.left(client)

    def _count_connection(self) -> None:
        """Count one more connection that somebody asks for.

        Raises:
            Busy: it is one too many now.
        """
        now = self._loop.time()
        # When all that were asked for would be over, had each waited for its turn.
        rested_at = max(self._rested_at, now) + _CONNECTION_EVERY_S
        early_s = rested_at - now - _CONNECTIONS_AT_ONCE * _CONNECTION_EVERY_S
        if early_s > 0:
            text = f"new connections are asked for too often; try again in {ceil(early_s)} s"
            raise Busy(text)
        self._rested_at = rested_at

    def _ask(self, text: str, **more: Any) -> Awaitable[None] | None:
        return self._put(lambda conversation: conversation.ask(text, **more))

    def _put(self, question: Callable[[Conversation], None]) -> Awaitable[None] | None:
        """Put a question; it waits a little for a dialog that was left because nobody talked."""
        asked = self._loop.time()

        def put() -> None:
            question(self._conversation())
            self._board.timeline.begin(asked)

        return self._idle.when_ready(put)

    def _conversation(self) -> Conversation:
        conversation = self._supervisor.conversation
        if conversation is None:
            raise NotReady(f"no dialog is connected: {self._status.state}")
        return conversation
