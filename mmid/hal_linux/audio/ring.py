"""A bounded byte queue between the network and a card."""

import asyncio


class ByteRing:
    """Bytes first in, first out, with back-pressure."""

    # How far the network is read ahead of the loudspeaker: 87 s at 24 kHz. What the cloud
    # sends behind the audio, above all the text that silences it, must not wait for it.
    READ_AHEAD_BYTES = 4 * 1024 * 1024

    # A writer that waits for room may still add one message of the largest size a link lets in:
    # 8 MiB of base64 are 6 of sound. Whoever adds more does not wait, and would fill the memory.
    LIMIT_BYTES = READ_AHEAD_BYTES + 6 * 1024 * 1024

    def __init__(self) -> None:
        # CPython deletes from a bytearray's front by moving its start: no copying.
        self._bytes = bytearray()
        self._released = False
        self._fewer = asyncio.Event()  # set when bytes left, and at release

    @property
    def fill(self) -> int:
        """How many bytes wait."""
        return len(self._bytes)

    @property
    def frames(self) -> int:
        """How many whole 16-bit samples wait: writers cut anywhere."""
        return len(self._bytes) // 2

    def put(self, data: bytes) -> bool:
        """Add ``data``, or return False and change nothing when it would pass the limit."""
        if len(self._bytes) + len(data) > self.LIMIT_BYTES:
            return False
        self._bytes += data
        return True

    def peek(self, limit: int) -> bytes:
        """Return the first bytes, at most ``limit``; they stay."""
        return bytes(self._bytes[:limit])

    def take(self, limit: int) -> bytes:
        """Return the first bytes, at most ``limit``, and forget them."""
        data = self.peek(limit)
        self.discard(len(data))
        return data

    def discard(self, count: int) -> None:
        """Forget the first ``count`` bytes."""
        del self._bytes[:count]
        self._fewer.set()

    def put_back(self, data: bytes) -> None:
        """Put back what was taken and not used: it is first again."""
        self._bytes[:0] = data

    def clear(self) -> None:
        """Forget everything."""
        self._bytes.clear()
        self._fewer.set()

    def release(self) -> None:
        """Let nobody wait for room any more: no more data is wanted."""
        self._released = True
        self._fewer.set()

    async def wait_below(self, count: int) -> None:
        """Return once fewer than ``count`` bytes are left, or ``release`` was called."""
        while len(self._bytes) >= count and not self._released:
            self._fewer.clear()
            await self._fewer.wait()
