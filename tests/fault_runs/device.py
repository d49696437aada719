"""One device, built as the daemon builds it, all but the bus.

It lives in a process with others, so it is built by the daemon's own functions
one level below ``mmid run``: what they wire is what runs on a board.
"""

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from mmid.gateway.black_box import BlackBox
from mmid.gateway.gateway import Gateway
from mmid.hal_linux.storage import open_store
from mmid.hal_linux.time.clock import KernelClock
from mmid.service import daemon
from mmid.session.license.record_book import RecordBook
from mmid.session.supervisor import Supervisor
from mmid.settings import Settings
from tests.fault_runs.person import Person


class Device:
    """One device, alive inside ``async with``.

    Args:
        settings: as the daemon gets them.
        person: who talks to it.
    """

    def __init__(self, settings: Settings, person: Person) -> None:
        self._settings = settings
        self._person = person
        self._stack = AsyncExitStack()
        self._black_box = BlackBox()
        self._clock = KernelClock(settings.clock.require_sync)
        self.status = daemon._first_status(settings, self._clock)

    async def __aenter__(self) -> Self:
        black_box = self._black_box
        self._stack.callback(black_box.close)
        book = RecordBook(open_store(self._settings.storage.target))
        await book.load()
        self._stack.push_async_callback(book.close)
        board, supervisor = daemon._build(self._settings, self.status, self._clock, book, black_box)
        gateway = Gateway(
            supervisor=supervisor,
            board=board,
            status=self.status,
            book=book,
            black_box=black_box,
            clock=self._clock,
            settings=self._settings,
        )
        board.on_event = self._person.hear
        self._person.meet(gateway, self.status)
        running = asyncio.create_task(supervisor.run(), name=self._settings.license.device_name)
        self._stack.push_async_callback(_stop, supervisor, running)
        return self

    def history(self) -> str:
        """Return the last transitions, oldest first: what led to where it is."""
        latest = self._black_box.transitions()[-20:]
        return ", ".join(f"{one.at_s:.1f} {one.state} by {one.cause}" for one in latest)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()


async def _stop(supervisor: Supervisor, running: asyncio.Task[None]) -> None:
    """Stop as the daemon does; a supervisor that ended by itself has failed."""
    await supervisor.stop()
    running.cancel()
    (error,) = await asyncio.gather(running, return_exceptions=True)
    if error is not None and not isinstance(error, asyncio.CancelledError):
        raise error
