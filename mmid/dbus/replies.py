"""Which of our calls a reply belongs to. Pure but for the futures: no connection, no time-out."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from mmid.dbus.wire import Message

__all__ = ["Replies"]


class Replies:
    """The replies that are waited for."""

    def __init__(self) -> None:
        self._awaited: dict[int, asyncio.Future[Message]] = {}

    @contextmanager
    def awaited(self, serial: int) -> Iterator["asyncio.Future[Message]"]:
        """Give what the reply to the message of this number comes in; it is waited for within."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._awaited[serial] = future
        try:
            yield future
        finally:
            del self._awaited[serial]

    def arrived(self, reply: Message) -> None:
        """Hand a reply to who waits for it; one that comes too late is nobody's."""
        future = self._awaited.get(reply.reply_serial)
        if future is not None and not future.done():
            future.set_result(reply)

    def fail(self, error: Exception) -> None:
        """Nothing arrives any more: whoever waits gets this error."""
        for future in self._awaited.values():
            if not future.done():
                future.set_exception(error)
