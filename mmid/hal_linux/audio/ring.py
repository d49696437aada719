"""A bounded byte queue between the network and the loudspeaker."""

import asyncio

__all__ = ["ByteRing"]


class ByteRing:
    """Bytes first in, first out, with back-pressure.

    ``size`` is where the writer has to wait, not a wall: the write that was
    admitted may go over it. The wall is ``LIMIT_BYTES`` above, for a writer
    that does not wait.

    Attributes:
        size: bytes at which ``wait_room`` begins to wait.
    """

    # Four of the largest messages the link lets in.
    LIMIT_BYTES = 4 * 1024 * 1024

    def __init__(self, size: int) -> None:
        self.size = size
        # CPython deletes from a bytearray's front by moving its start: no copying.
        self._bytes = bytearray()
        self._released = False
        self._room = asyncio.Event()
        self._room.set()

    @property
    def fill(self) -> int:
        """How many bytes wait."""
        return len(self._bytes)

    @property
    def frames(self) -> int:
        """How many whole 16-bit samples wait: writers cut anywhere."""
        return len(self._bytes) // 2

    def put(self, data: bytes) -> bool:
        """Add ``data``, or return False and change nothing when the wall is reached."""
        if len(self._bytes) + len(data) > self.size + self.LIMIT_BYTES:
            return False
        self._bytes += data
        self._update_room()
        return True

    def peek(self, limit: int) -> bytes:
        """Return the first bytes, at most ``limit``; they stay."""
        with memoryview(self._bytes) as view:
            return bytes(view[:limit])

    def discard(self, count: int) -> None:
        """Forget the first ``count`` bytes."""
        del self._bytes[:count]
        self._update_room()

    def put_back(self, data: bytes) -> None:
        """Put back what was taken and not used: it is first again."""
        self._bytes[:0] = data
        self._update_room()

    def clear(self) -> None:
        """Forget everything."""
        self._bytes.clear()
        self._update_room()

    def release(self) -> None:
        """Let nobody wait for room any more: no more data is wanted."""
        self._released = True
        self._room.set()

    async def wait_room(self) -> None:
        """Return once fewer than ``size`` bytes wait."""
        await self._room.wait()

    def _update_room(self) -> None:
        if self._released or len(self._bytes) < self.size:
            self._room.set()
        else:
            self._room.clear()
