"""What was recorded before the cloud listened: kept in order, bounded, sent first."""

from collections import deque
from collections.abc import Iterator

# A press is answered within a second; five cover a slow link and the longest
# wait for permission, and cost 160 KB at 16 kHz.
BACKLOG_S = 5.0


class Backlog:
    """A bounded queue of samples. At the limit the oldest go.

    Args:
        limit_bytes: most bytes kept.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def push(self, data: bytes) -> int:
        """Add samples; the oldest chunks make room. Return how many bytes went for it."""
        self._chunks.append(data)
        self._size += len(data)
        dropped = 0
        while self._size - dropped > self._limit:
            dropped += len(self._chunks.popleft())
        self._size -= dropped
        return dropped

    def drain(self) -> Iterator[bytes]:
        """Hand out everything, oldest first, and be empty."""
        while self._chunks:
            chunk = self._chunks.popleft()
            self._size -= len(chunk)
            yield chunk

    def clear(self) -> None:
        """Forget everything: it is not wanted any more."""
        self._chunks.clear()
        self._size = 0

    def __len__(self) -> int:
        return self._size
