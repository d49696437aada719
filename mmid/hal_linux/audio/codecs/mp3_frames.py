"""Takes whole frames of MP3 (or MP2) out of a stream of bytes: damage is seen and bounded.

A frame begins with a header of four bytes (ISO 11172-3, section 2.4.2.3):

    11 bits  ones                      4 bits  bit rate, of a table
     2       version: 3 is MPEG 1,     2       sample rate, of a table
             2 is MPEG 2, 0 is 2.5     1       one more byte of padding
     2       layer: 1 is Layer III,    1       private
             2 is Layer II             8       channels and rights
     1       no checksum

Its length follows from it, save in "free format", bit rate 0: there all frames have one
length, and where the second header stands tells it. Ones may also be sound, so the
first header of a stream, and one after damage, counts only if another like it stands
where its frame ends. No I/O.
"""

from collections.abc import Iterator
from functools import lru_cache

_HEADER_BYTES = 4
_LAYER_3, _LAYER_2 = 1, 2
_MPEG_1 = 3
_NO_VERSION = 1

_BIT_RATES_MPEG_1 = {
    _LAYER_3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    _LAYER_2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
}
_BIT_RATES_MPEG_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_MPEG_1 = (44100, 48000, 32000)

# Sync, version, layer and sample rate: they stay the same in a stream.
_SAME = 0xFFFE0C00

# In free format, so does the bit rate. No frame is shorter than its side information in
# mono, or longer than libmpg123 takes (its MAXFRAMESIZE).
_BIT_RATE = 0xF000
_SHORTEST_FREE, _LONGEST_FREE = 21, 3456

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

    Keeps less than two frames between calls: 3 KiB, or 4 KiB of free format.

    Attributes:
        damaged: stretches of bytes that were no frame.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._bytes = bytearray()
        self._like: int | None = None  # what the headers of this stream have in common
        self._free_bytes = 0  # length of this stream's frames in free format, 0 if not known
        self._lost = False  # inside a stretch that was counted
        self._tag_bytes = 0  # of a tag, still to come

    def reset(self) -> None:
        """Forget the stream."""
        self._bytes.clear()
        self._begin()
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
                self._begin()
                continue
            header = int.from_bytes(self._bytes[:_HEADER_BYTES])
            if self._like is not None and header & _SAME != self._like:
                self._begin()  # another stream may begin here
            size = self._size(header)
            if not size:
                self._begin()
            if self._like is None:
                if size and not ends and len(self._bytes) < size + _HEADER_BYTES:
                    return
                if not size or not self._followed(header, size):
                    self._skip(1)
                    continue
            if len(self._bytes) < size:
                return
            yield self._take(header, size)

    def _begin(self) -> None:
        """Another stream begins, or may begin."""
        self._like = None
        self._free_bytes = 0

    def _size(self, header: int) -> int:
        """Return the length of the frame here; 0 if it is none, more than there is if unknown."""
        if not _is_header(header) or header & _BIT_RATE:
            return _frame_bytes(header)
        padding = header >> 9 & 1
        if self._free_bytes:
            return self._free_bytes + padding
        at = _SHORTEST_FREE
        while (at := self._bytes.find(_FIRST_BYTE, at, _LONGEST_FREE + _HEADER_BYTES)) >= 0:
            another = int.from_bytes(self._bytes[at : at + _HEADER_BYTES])
            if another & (_SAME | _BIT_RATE) == header & _SAME:
                return at
            at += 1
        return 0 if len(self._bytes) > _LONGEST_FREE + _HEADER_BYTES else len(self._bytes) + 1

    def _take(self, header: int, size: int) -> bytes:
        self._like = header & _SAME
        if not header & _BIT_RATE:
            self._free_bytes = size - (header >> 9 & 1)
        self._lost = False
        frame = bytes(self._bytes[:size])
        del self._bytes[:size]
        return frame

    def _followed(self, header: int, size: int) -> bool:
        """Whether another frame, a tag or the end stands where this frame ends."""
        following = bytes(self._bytes[size : size + _HEADER_BYTES])
        if not following:
            return len(self._bytes) == size
        alike = _alike(header, int.from_bytes(following))
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


def is_free_format(frame: bytes) -> bool:
    """Whether its header does not tell how long it is."""
    return not int.from_bytes(frame[:_HEADER_BYTES]) & _BIT_RATE


def layer_of(head: bytes) -> int:
    """Return the layer of the frames that begin like that, 2 or 3; 0 if there are not two."""
    header = int.from_bytes(head[:_HEADER_BYTES])
    size = _frame_bytes(header)
    following = head[size : size + _HEADER_BYTES]
    layer = 3 if header >> 17 & 3 == _LAYER_3 else 2
    return layer if size and _alike(header, int.from_bytes(following)) else 0


def _alike(header: int, another: int) -> bool:
    """Whether the second may be a header in the stream of the first."""
    return another & _SAME == header & _SAME and _is_header(another)


def _is_header(header: int) -> bool:
    version, layer, kind = header >> 19 & 3, header >> 17 & 3, header >> 10 & 3
    sync, bit_rate = header >> 21 == 0x7FF, header >> 12 & 15
    return (
        sync
        and version != _NO_VERSION
        and layer in _BIT_RATES_MPEG_1
        and bit_rate != 15
        and kind != 3
    )


@lru_cache(maxsize=64)
def _frame_bytes(header: int) -> int:
    """Return the length of the frame that begins with this header; 0 if it does not tell."""
    version, layer, kind = header >> 19 & 3, header >> 17 & 3, header >> 10 & 3
    bit_rate, padding = header >> 12 & 15, header >> 9 & 1
    if not bit_rate or not _is_header(header):
        return 0
    if version == _MPEG_1:
        return 144_000 * _BIT_RATES_MPEG_1[layer][bit_rate - 1] // _RATES_MPEG_1[kind] + padding
    rate_hz = _RATES_MPEG_1[kind] // (2 if version else 4)
    samples = 72_000 if layer == _LAYER_3 else 144_000
    return samples * _BIT_RATES_MPEG_2[bit_rate - 1] // rate_hz + padding
