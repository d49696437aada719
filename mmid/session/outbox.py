"""What waits for the socket: texts and speech in one order, bounded.

StopSpeech must follow the last sample and SendSpeech precede the first
(multimodal-dialog O2), so there is one queue for both. Texts are never
dropped; of live speech only so much may wait, and the oldest goes first: a
slow network must not deliver a stale minute later.
"""

import asyncio
from collections import deque

from mmid.errors import ConnectionLost

__all__ = ["Outbox"]

# Directives are rare and small; so many waiting means that nothing leaves.
_TEXT_LIMIT = 256


class Outbox:
    """One ordered queue of text frames and speech.

    Args:
        speech_limit: most bytes of live speech that wait.
        frame_bytes: speech is handed out in frames of at most this size.
    """

    def __init__(self, speech_limit: int, frame_bytes: int) -> None:
        self._limit = speech_limit
        self._frame_bytes = frame_bytes
        self._items: deque[str | bytes] = deque()
        self._speech = 0
        self._backlog = 0  # what the backlog left behind may wait beyond the limit
        self._texts = 0
        self._filled = asyncio.Event()
        self._finishing = False
        self.dropped_bytes = 0

    def put_text(self, text: str) -> None:
        """Queue a text frame.

        Raises:
            ConnectionLost: nothing has left for so long that the connection is of no use.
        """
        if self._texts >= _TEXT_LIMIT:
            raise ConnectionLost(f"{_TEXT_LIMIT} messages wait for a connection that sends nothing")
        self._texts += 1
        self._items.append(text)
        self._filled.set()

    def put_speech(self, data: bytes, *, backlog: bool) -> None:
        """Queue speech; live speech over the limit pushes the oldest out.

        Speech from before the cloud listened is exempt: while it drains, the
        limit lies above what is left of it.
        """
        self._items.append(data)
        self._speech += len(data)
        if backlog:
            self._backlog += len(data)
        while self._speech > self._limit + self._backlog:
            self._drop_oldest_speech()
        self._filled.set()

    def finish(self) -> None:
        """Nothing more will be queued: ``get`` hands out the rest, then None."""
        self._finishing = True
        self._filled.set()

    async def get(self) -> str | bytes | None:
        """Wait for the next frame to send; None after the last."""
        while not self._items:
            if self._finishing:
                return None
            self._filled.clear()
            await self._filled.wait()
        item = self._items.popleft()
        if isinstance(item, str):
            self._texts -= 1
            return item
        frame = self._whole_frame(item)
        self._leave(len(frame))
        return frame

    def __len__(self) -> int:
        return len(self._items)

    def _whole_frame(self, first: bytes) -> bytes:
        """Join speech that follows, up to a frame; a frame that is one chunk is not copied."""
        parts, size = [first], len(first)
        while size < self._frame_bytes and self._items and isinstance(self._items[0], bytes):
            part = self._items.popleft()
            assert isinstance(part, bytes)  # noqa: S101 - narrows the type that was just tested
            parts.append(part)
            size += len(part)
        whole = first if len(parts) == 1 else b"".join(parts)
        if size > self._frame_bytes:
            self._items.appendleft(whole[self._frame_bytes :])
            whole = whole[: self._frame_bytes]
        return whole

    def _drop_oldest_speech(self) -> None:
        for index, item in enumerate(self._items):
            if isinstance(item, bytes):
                del self._items[index]
                self.dropped_bytes += len(item)
                self._leave(len(item))
                return

    def _leave(self, size: int) -> None:
        self._speech -= size
        self._backlog = min(self._backlog, self._speech)
