"""Takes whole MP3 frames out of a stream of bytes, so that damage is seen and bounded.

A frame begins with a header of four bytes (ISO 11172-3, section 2.4.2.3):

    11 bits  ones                      4 bits  bit rate, of a table
     2       version: 3 is MPEG 1,     2       sample rate, of a table
             2 is MPEG 2, 0 is 2.5     1       one more byte of padding
     2       layer: 1 is Layer III     1       private
     1       no checksum               8       channels and rights

Its length follows from it. Ones may also be sound, so the first header of a
stream, and one after damage, counts only if another like it stands where its
frame ends. No I/O.
"""

from collections.abc import Iterator
from functools import lru_cache

_HEADER_BYTES = 4
_LAYER_3 = 1
_MPEG_1 = 3
_NO_VERSION = 1

_BIT_RATES_MPEG_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BIT_RATES_MPEG_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_MPEG_1 = (44100, 48000, 32000)

# Sync, version, layer and sample rate: they stay the same in a stream.
_SAME = 0xFFFE0C00

_FIRST_BYTE = b"\xff"

# Tags that tools put before (2) and behind (1) the sound; the head of the one
# tells its length, the other has always the same (id3.org).
_ID3V2, _ID3V2_BYTES = b"ID3", 10
_ID3V1, _ID3V1_BYTES = b"TAG", 128
# APE, version 2: its header and its footer are alike, the length counts all but the header.
_APE, _APE_MAGIC, _APE_BYTES = b"APE", b"APETAGEX", 32
_APE_LENGTH = slice(12, 16)
_APE_HEADER = 0x20
_APE_FLAGS_AT = 23
_TAGS = (_ID3V1, _ID3V2, _APE)
_HAS_FOOTER = 0x10


class Mp3Frames:
    """Finds the frames in bytes that were cut anywhere.

    Keeps less than two frames (3 KiB) between calls.

    Attributes:
        damaged: stretches of bytes that were no frame.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._bytes = bytearray()
        self._like: int | None = None  # what the headers of this stream have in common
        self._lost = False  # inside a stretch that was counted
        self._tag_bytes = 0  # of a tag, still to come

    def reset(self) -> None:
        """Forget the stream."""
        self._bytes.clear()
        self._like = None
        self._lost = False
        self._tag_bytes = 0

    def cut(self, data: bytes) -> Iterator[bytes]:
        """Yield the frames that are complete now; exhaust it before the next call."""
        self._bytes += data
        self._drop(self._tag_bytes)
        return self._frames(ends=False)

    def finish(self) -> Iterator[bytes]:
        """Yield the frame that waited for another to follow it, and be empty."""
        yield from self._frames(ends=True)
        if self._bytes:
            self._skip(len(self._bytes))
        self.reset()

    def _frames(self, *, ends: bool) -> Iterator[bytes]:
        while len(self._bytes) >= _HEADER_BYTES:
            if not self._lost and self._bytes[:3] in _TAGS:
                needed = _APE_BYTES if self._bytes.startswith(_APE) else _ID3V2_BYTES
                if len(self._bytes) < needed:
                    return
                self._drop(_tag_bytes(self._bytes[:needed]))
                self._like = None
                continue
            header = int.from_bytes(self._bytes[:_HEADER_BYTES])
            size = _frame_bytes(header)
            if self._like is not None and (not size or header & _SAME != self._like):
                self._like = None  # another stream may begin here
            if self._like is None:
                if size and not ends and len(self._bytes) < size + _HEADER_BYTES:
                    return
                if not size or not self._followed(header, size):
                    self._skip(1)
                    continue
            if len(self._bytes) < size:
                return
            yield self._take(header, size)

    def _take(self, header: int, size: int) -> bytes:
        self._like = header & _SAME
        self._lost = False
        frame = bytes(self._bytes[:size])
        del self._bytes[:size]
        return frame

    def _followed(self, header: int, size: int) -> bool:
        """Whether another frame, a tag or the end stands where this frame ends."""
        following = bytes(self._bytes[size : size + _HEADER_BYTES])
        if not following:
            return len(self._bytes) == size
        another = int.from_bytes(following)
        alike = another & _SAME == header & _SAME and _frame_bytes(another) > 0
        return alike or following[:3] in _TAGS

    def _skip(self, count: int) -> None:
        """Drop bytes that are no frame, up to where one may begin."""
        if not self._lost:
            self.damaged += 1
        self._lost = True
        begin = self._bytes.find(_FIRST_BYTE, count)
        del self._bytes[: begin if begin > 0 else len(self._bytes)]

    def _drop(self, count: int) -> None:
        """Drop so many bytes of a tag, as they come."""
        here = min(count, len(self._bytes))
        del self._bytes[:here]
        self._tag_bytes = count - here


def _tag_bytes(head: bytearray) -> int:
    """Return the length of the tag that begins with these bytes, 10 or, of APE, 32."""
    if head.startswith(_APE_MAGIC):
        is_header = head[_APE_FLAGS_AT] & _APE_HEADER
        return _APE_BYTES + (int.from_bytes(head[_APE_LENGTH], "little") if is_header else 0)
    if head.startswith(_APE):
        return len(_APE)  # no tag: what follows is judged as any bytes are
    if not head.startswith(_ID3V2):
        return _ID3V1_BYTES
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return _ID3V2_BYTES + size + (_ID3V2_BYTES if head[5] & _HAS_FOOTER else 0)


@lru_cache(maxsize=64)
def _frame_bytes(header: int) -> int:
    """Return the length of the frame that begins with this header; 0 if it is none."""
    version, layer, kind = header >> 19 & 3, header >> 17 & 3, header >> 10 & 3
    bit_rate, padding = header >> 12 & 15, header >> 9 & 1
    sync = header >> 21 == 0x7FF
    if not sync or version == _NO_VERSION or layer != _LAYER_3 or kind == 3:
        return 0
    if bit_rate in {0, 15}:  # 0: the length is not told, and no service does that
        return 0
    if version == _MPEG_1:
        return 144_000 * _BIT_RATES_MPEG_1[bit_rate - 1] // _RATES_MPEG_1[kind] + padding
    rate_hz = _RATES_MPEG_1[kind] // (2 if version else 4)
    return 72_000 * _BIT_RATES_MPEG_2[bit_rate - 1] // rate_hz + padding
