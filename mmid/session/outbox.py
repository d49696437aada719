"""What waits for the socket: texts and speech in one order, bounded.

StopSpeech must follow the last sample and SendSpeech precede the first
(multimodal-dialog O2), so there is one queue for both. Texts are never
dropped; of live speech only so much may wait, and the oldest goes first: a
slow network must not deliver a stale minute later.
"""

from collections import deque

from mmid.errors import Busy, ConnectionLost
from mmid.session.effects import Send, SendAudio

# Directives are rare and small; so many waiting means that nothing leaves.
_TEXT_LIMIT = 256

# A question may carry pictures, a million characters of them. With that much waiting the next
# has to wait for its turn; four times as much means that nothing leaves.
_ROOM_CHARACTERS = 1 << 20
_TEXT_LIMIT_CHARACTERS = 4 * _ROOM_CHARACTERS


class Outbox:
    """One ordered queue of text frames and speech.

    Args:
        speech_limit: most bytes of live speech that wait.
        frame_bytes: speech is handed out in frames of at most this size; None:
            each chunk is a packet and a frame of its own, never joined or split.
    """

    def __init__(self, speech_limit: int, frame_bytes: int | None) -> None:
        self._limit = speech_limit
        self._frame_bytes = frame_bytes
        self._items: deque[Send | SendAudio] = deque()
        self._live_bytes = self._live_chunks = 0
        self._texts = self._text_characters = 0
        self.dropped_bytes = 0

    def check_room(self) -> None:
        """Refuse a large text of somebody who can wait, while others still wait to leave.

        Raises:
            Busy: the network has not taken what was sent before.
        """
        if self._text_characters >= _ROOM_CHARACTERS:
            raise Busy("the network has not taken what was sent before")

    def put_text(self, message: Send) -> None:
        """Queue a text frame.

        Raises:
            ConnectionLost: nothing has left for so long that the connection is of no use.
        """
        size = len(message.text)
        if self._texts >= _TEXT_LIMIT or self._text_characters + size > _TEXT_LIMIT_CHARACTERS:
            raise ConnectionLost(f"{self._texts} messages wait for a connection that sends nothing")
        self._texts += 1
        self._text_characters += size
        self._items.append(message)

    def is_next(self, speech: SendAudio) -> bool:
        """Whether speech may leave as it is, past the queue: nothing waits, and it is one frame.

        Nearly all of it may, and ten times a second that is worth a question.
        """
        whole = self._frame_bytes is None or len(speech.data) <= self._frame_bytes
        return whole and not self._items

    def put_speech(self, speech: SendAudio) -> int:
        """Queue speech; live speech over the limit pushes the oldest live chunks out.

        Speech from before the cloud listened is exempt, and the newest chunk
        always stays: it may be longer than the limit.

        Returns:
            How many bytes were pushed out.
        """
        before = self.dropped_bytes
        self._items.append(self._counted(speech, 1))
        while self._live_bytes > self._limit and self._live_chunks > 1:
            self._drop_oldest_live()
        return self.dropped_bytes - before

    def get(self) -> Send | SendAudio:
        """Return the next frame to send, speech joined; something must wait."""
        item = self._items.popleft()
        if isinstance(item, Send):
            self._texts -= 1
            self._text_characters -= len(item.text)
            return item
        return self._whole_frame(self._counted(item, -1))

    def __len__(self) -> int:
        return len(self._items)

    def _whole_frame(self, last: SendAudio) -> SendAudio:
        """Join speech that follows, up to a frame; a frame that is one chunk is not copied."""
        if self._frame_bytes is None or (not self._items and len(last.data) <= self._frame_bytes):
            return last
        parts, size = [last.data], len(last.data)
        while size < self._frame_bytes and self._items:
            following = self._items[0]
            if isinstance(following, Send):
                break
            last = self._counted(following, -1)
            self._items.popleft()
            parts.append(last.data)
            size += len(last.data)
        if len(parts) == 1 and size <= self._frame_bytes:
            return last
        whole = b"".join(parts)
        if size > self._frame_bytes:
            rest = SendAudio(whole[self._frame_bytes :], last.backlog)
            self._items.appendleft(self._counted(rest, 1))
        return SendAudio(whole[: self._frame_bytes], last.backlog)

    def _drop_oldest_live(self) -> None:
        for index, item in enumerate(self._items):
            if isinstance(item, SendAudio) and not item.backlog:
                del self._items[index]
                self._counted(item, -1)
                self.dropped_bytes += len(item.data)
                return

    def _counted(self, speech: SendAudio, sign: int) -> SendAudio:
        """Count a chunk that comes (1) or goes (-1)."""
        if not speech.backlog:
            self._live_chunks += sign
            self._live_bytes += sign * len(speech.data)
        return speech
