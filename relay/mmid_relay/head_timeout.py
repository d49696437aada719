"""An end to the wait for a request's head, which uvicorn has not.

Without it whoever connects and says nothing, or a byte a minute, keeps the connection for ever,
and some thousands of them keep out every device.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# As long as a body may take; a board on a slow link sends a head within a second.
_HEAD_S = 10.0


class HeadTimeout(H11Protocol):
    """uvicorn's connection, closed if it does not bring a whole head in time.

    The same holds for what comes after an answer and is no request: the rest of a body that was
    refused. Between requests uvicorn's own time-out holds.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait on if that was not all; the first deadline counts."""
        super().data_received(data)
        answering = self.cycle is not None and not self.cycle.response_complete
        between = self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        if answering or between:
            self._wait_no_more()
        elif self._deadline is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(_HEAD_S, self.transport.abort)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
