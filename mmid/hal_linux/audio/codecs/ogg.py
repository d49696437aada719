"""Takes Ogg pages out of a stream of bytes (RFC 3533), and packets out of the pages.

    bytes  what
        4  "OggS"
        1  version: 0
        1  flags: 1 goes on with a packet, 2 first page, 4 last page
        8  granule position: what it counts is the codec's business
        4  serial number of the logical stream
        4  number of the page
        4  CRC-32 of the whole page, with zeros in this place
        1  number of segments n
        n  their lengths; a packet ends with the first one below 255
        .  the segments

No I/O. A damaged page is skipped; the search for the next one begins one byte
after its start, so that a false length hides no page behind it.
"""

import struct
import zlib
from collections.abc import Iterator

from mmid.frozen import frozen

_HEAD = struct.Struct("<4sBBqIIIB")
_MAGIC = b"OggS"
_VERSION = 0
_CRC_AT = slice(22, 26)

_CONTINUED = 1
_FIRST = 2
_LAST = 4

# A segment of this length is followed by another one of the same packet.
_FULL = 255

# Ogg computes its CRC-32 from the highest bit of each byte on, zlib from the lowest. So
# each byte, and the result, is reversed bit by bit: much faster than a loop in Python.
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_ONES = 0xFFFFFFFF


@frozen
class Page:
    """One page whose checksum is right; ``granule`` is -1 if no packet ends in it."""

    continued: bool
    first: bool
    last: bool
    granule: int
    serial: int
    number: int
    lengths: bytes
    body: bytes


class OggPages:
    """Finds the pages in bytes that were cut anywhere. Keeps less than one page, 64 KiB.

    Attributes:
        damaged: stretches of bytes that were no page.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._bytes = bytearray()
        self._lost = False

    def reset(self) -> None:
        """Forget what waits."""
        self._bytes.clear()
        self._lost = False

    def cut(self, data: bytes) -> Iterator[Page | None]:
        """Yield the pages that are complete now; exhaust it before the next call.

        None stands for what was no page: finding that out costs as much as a page, and
        other work may have its turn.
        """
        self._bytes += data
        while (size := self._size()) and size <= len(self._bytes):
            yield self._take(size)

    def finish(self) -> Iterator[Page | None]:
        """Yield the pages behind a beginning that was never completed, and be empty."""
        while self._bytes:
            size = self._size()
            if 0 < size <= len(self._bytes):
                yield self._take(size)
            else:
                self._skip()
                yield None
        self._lost = False

    def _size(self) -> int:
        """Move to where a page may begin; return its length, or 0 if that is not known yet."""
        while self._bytes:
            head = self._bytes[: _HEAD.size]
            if head[:4] != _MAGIC[: len(head)] or (len(head) > 4 and head[4] != _VERSION):
                self._skip()
                continue
            table_end = _HEAD.size + (head[-1] if len(head) == _HEAD.size else _FULL)
            if len(self._bytes) < table_end:
                return 0
            return table_end + sum(self._bytes[_HEAD.size : table_end])
        return 0

    def _skip(self) -> None:
        """Drop the bytes up to the next possible beginning."""
        if not self._lost:
            self.damaged += 1
        self._lost = True
        following = self._bytes.find(_MAGIC[:1], 1)
        del self._bytes[: following if following > 0 else len(self._bytes)]

    def _take(self, size: int) -> Page | None:
        raw = bytes(self._bytes[:size])
        _, _, flags, granule, serial, number, crc, segments = _HEAD.unpack_from(raw)
        if crc != _checksum(raw):
            self._skip()
            return None
        self._lost = False
        del self._bytes[:size]
        table_end = _HEAD.size + segments
        continued, first, last = (bool(flags & flag) for flag in (_CONTINUED, _FIRST, _LAST))
        lengths, body = raw[_HEAD.size : table_end], raw[table_end:]
        return Page(continued, first, last, granule, serial, number, lengths, body)


class OggPackets:
    """Joins the segments of pages to packets.

    Args:
        longest: bytes of a packet; a longer one is dropped.

    Attributes:
        damaged: gaps in the numbers of the pages, and packets that were dropped.
    """

    def __init__(self, longest: int) -> None:
        self.damaged = 0
        self._longest = longest
        self._part: bytes | None = b""  # of a packet that goes on; None: it cannot be whole
        self._following = (-1, -1)  # serial and number of the page that should come

    def reset(self) -> None:
        """Forget what waits."""
        self._part = b""
        self._following = (-1, -1)

    def split(self, page: Page) -> list[bytes]:
        """Return the packets that end in the page."""
        self._follow(page)
        packets, begin, end = [], 0, 0
        for length in page.lengths:
            end += length
            if length < _FULL:
                packets.append(self._joined(page.body[begin:end]))
                self._part, begin = b"", end
        if begin < end:
            self._part = self._joined(page.body[begin:])
        return [packet for packet in packets if packet is not None]

    def _joined(self, piece: bytes) -> bytes | None:
        """Return the packet's beginning with another piece; None if it cannot be whole."""
        if self._part is None:
            return None
        if len(self._part) + len(piece) > self._longest:
            self.damaged += 1
            return None
        return self._part + piece

    def _follow(self, page: Page) -> None:
        """Notice pages that are missing, and the beginning of another stream."""
        serial, number = self._following
        same = page.serial == serial and not page.first
        lost = same and page.number != number
        self.damaged += lost
        if not page.continued:
            self._part = b""
        elif lost or not same or not self._part:
            self._part = None
        self._following = (page.serial, (page.number + 1) & _ONES)


def _checksum(page: bytes) -> int:
    """Return Ogg's CRC-32 of a page: polynomial 0x04c11db7, from 0, highest bit first."""
    zeroed = bytearray(page)
    zeroed[_CRC_AT] = bytes(4)
    low_first = zlib.crc32(zeroed.translate(_REVERSED), _ONES) ^ _ONES
    return int.from_bytes(low_first.to_bytes(4, "little").translate(_REVERSED), "big")
