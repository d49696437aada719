"""Leaves the cloud when nobody has talked for a while, and comes back for whoever wants to.

For products that pay for connections or run on a battery (``dialog.idle_disconnect_s``). A press
that comes then is kept as any early one is (``Microphone``); a question waits here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mmid.errors import NotReady
from mmid.events import State
from mmid.session.supervisor import Supervisor
from mmid.settings import Dialog
from mmid.status import Status

_log = logging.getLogger(__name__)

_TURN_STATES = {State.THINKING, State.RESPONDING}


class Idle:
    """Watches the state; a turn, and whoever talks, puts the leaving off.

    Args:
        dialog: after how long to leave, and how long a question waits.
        status: what the dialog is doing.
        supervisor: leaves, and comes back.
    """

    def __init__(self, dialog: Dialog, status: Status, supervisor: Supervisor) -> None:
        self._after_s, self._wait_s = dialog.idle_disconnect_s, dialog.press_wait_s
        self._status = status
        self._supervisor = supervisor
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._turned_at = 0.0  # when somebody last talked, or was answered
        self._in_turn = False
        self._waiting: set[asyncio.Future[None]] = set()
        if self._after_s:
            status.observe(self._changed)

    def when_ready(self, act: Callable[[], None]) -> Awaitable[None] | None:
        """Do something that needs the dialog: at once, or once it is back after we left it."""
        conversation = self._supervisor.conversation
        stays = conversation is not None and conversation.ready and not conversation.ending
        if stays or not self._after_s or not self._supervisor.hurry():
            act()  # it raises NotReady if there is no dialog
            return None
        return self._once_ready(act)

    def connected(self) -> None:
        """The dialog is ready: whoever waited may go on."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def _once_ready(self, act: Callable[[], None]) -> None:
        waiter = self._loop.create_future()
        self._waiting.add(waiter)
        try:
            async with asyncio.timeout(self._wait_s):
                await waiter
        except TimeoutError:
            raise NotReady(f"no dialog was ready within {self._wait_s:g} s") from None
        finally:
            self._waiting.discard(waiter)
        act()

    def _changed(self, changed: Mapping[str, Any]) -> None:
        if not changed.keys() & {"state", "talker"}:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now, before = self._loop.time(), self._in_turn
        self._in_turn = self._status.state in _TURN_STATES or bool(self._status.talker)
        if before or self._in_turn:
            self._turned_at = now
        if self._status.state is State.LISTENING and not self._in_turn:
            # A connection that was renewed is no turn, and puts nothing off. One that somebody
            # opened after a long rest begins to count.
            if now >= self._turned_at + self._after_s:
                self._turned_at = now
            self._timer = self._loop.call_at(self._turned_at + self._after_s, self._leave)

    def _leave(self) -> None:
        self._timer = None
        if self._supervisor.in_turn:  # a question, and the cloud has yet to think about it
            self._timer = self._loop.call_later(self._after_s, self._leave)
        elif self._supervisor.pressed_mode:
            _log.info("nobody has talked for %g s: mmid leaves until somebody does", self._after_s)
            self._supervisor.rest()
