"""What was recorded before the cloud listened: kept in order, bounded, sent first."""

from collections import deque
from collections.abc import Iterator

__all__ = ["BACKLOG_S", "Backlog"]

# A press is answered within a second; five cover a slow link and the longest
# wait for permission, and cost 160 KB at 16 kHz.
BACKLOG_S = 5.0


class Backlog:
    """A bounded queue of samples. At the limit the oldest go, and are counted.

    Args:
        limit_bytes: most bytes kept.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self.dropped_bytes = 0

    def push(self, data: bytes) -> None:
        """Add samples; the oldest chunks make room."""
        self._chunks.append(data)
        self._size += len(data)
        while self._size > self._limit:
            oldest = self._chunks.popleft()
            self._size -= len(oldest)
            self.dropped_bytes += len(oldest)

    def drain(self) -> Iterator[bytes]:
        """Hand out everything, oldest first, and be empty."""
        while self._chunks:
            chunk = self._chunks.popleft()
            self._size -= len(chunk)
            yield chunk

    def clear(self) -> None:
        """Forget everything, uncounted: it was not wanted any more."""
        self._chunks.clear()
        self._size = 0

    def __len__(self) -> int:
        return self._size
