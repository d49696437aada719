"""Samples in the pieces in which the card gave them, handed out in those the cloud wants."""

from collections import deque

__all__ = ["Pieces"]


class Pieces:
    """Bytes first in, first out; each is copied once, on its way out.

    Attributes:
        size: bytes that wait.
    """

    def __init__(self) -> None:
        self._waiting: deque[bytes | memoryview] = deque()
        self.size = 0

    def put(self, *pieces: bytes) -> None:
        """Add pieces; they are kept, not copied."""
        self._waiting.extend(pieces)
        self.size += sum(map(len, pieces))

    def take(self, count: int) -> bytes:
        """Return the first ``count`` bytes, or what there is."""
        if count >= self.size:
            whole, self.size = b"".join(self._waiting), 0
            self._waiting.clear()
            return whole
        missing = count
        taken: list[bytes | memoryview] = []
        while missing:
            piece = self._waiting.popleft()
            size = len(piece)
            if size > missing:
                view, size = memoryview(piece), missing
                self._waiting.appendleft(view[missing:])
                piece = view[:missing]
            taken.append(piece)
            missing -= size
        self.size -= count
        return b"".join(taken)
