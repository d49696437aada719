"""A press that comes before the dialog is ready: what is said is kept for it.

The board was just switched on, or the connection broke a second ago: whoever
presses talks at once. So the press waits a little, and the speech with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from mmid.errors import MmidError
from mmid.session.backlog import BACKLOG_S, Backlog

__all__ = ["EarlyPress"]


class EarlyPress:
    """At most one press that waits; it ends with ``succeed`` or ``fail``.

    Args:
        wait_s: longest wait; 0: no press waits.
        speech_bytes_per_s: how fast speech comes, to bound what is kept of it.

    Attributes:
        client: who pressed.
        waiting: whether a press waits.
        released: whether it was released already.
    """

    def __init__(self, wait_s: float, speech_bytes_per_s: int) -> None:
        self.wait_s = wait_s
        self._speech = Backlog(int(BACKLOG_S * speech_bytes_per_s))
        self._accepted: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.client = ""
        self.waiting = self.released = False

    def begin(self, client: str, too_late: Callable[[], None]) -> None:
        """A client has pressed; ``too_late`` is called when it has waited long enough."""
        loop = asyncio.get_running_loop()
        self._speech.clear()
        self._accepted = loop.create_future()
        self._timer = loop.call_later(self.wait_s, too_late)
        self.client, self.waiting, self.released = client, True, False

    def accepted(self) -> Awaitable[None]:
        """Return what ends when the press that waits is accepted, or fails as ``fail`` says."""
        return asyncio.shield(self._waiting())

    def record(self, data: bytes) -> int:
        """Keep what was said; return how many bytes of it had to go."""
        return self._speech.push(data)

    def succeed(self) -> Iterator[bytes]:
        """The dialog is ready: return what was said."""
        self._end().set_result(None)
        return self._speech.drain()

    def fail(self, error: MmidError) -> None:
        """The press is refused, and what was said forgotten."""
        self._speech.clear()
        self._end().set_exception(error)

    def _end(self) -> "asyncio.Future[None]":
        accepted, self._accepted, self.waiting = self._waiting(), None, False
        if self._timer is not None:
            self._timer.cancel()
        return accepted

    def _waiting(self) -> "asyncio.Future[None]":
        if self._accepted is None:
            raise RuntimeError("no press waits")
        return self._accepted
