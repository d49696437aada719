"""Reads what dm-log-writes wrote down: every write to a block device, in order.

The format is the kernel's, Documentation/admin-guide/device-mapper/log-writes.rst
and drivers/md/dm-log-writes.c: a super block, then for each entry one sector that
describes it, followed by its data. Numbers are little-endian and count the log's
own sectors.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_MAGIC = 0x6A736677736872
_SUPER = struct.Struct("<QQQI")
_ENTRY = struct.Struct("<QQQQ")
_DISCARD, _MARK = 4, 8


@dataclass(frozen=True)
class Write:
    """One entry.

    Attributes:
        offset: where it was written, in bytes.
        data: what was written; empty for a flush or a mark.
        mark: the text of a mark.
        discard: whether the device was told to forget what was there.
    """

    offset: int
    data: bytes
    mark: str = ""
    discard: bool = False


def read_log(log: BinaryIO) -> Iterator[Write]:
    """Yield the entries in order."""
    magic, version, count, sector_bytes = _SUPER.unpack(log.read(_SUPER.size))
    assert (magic, version) == (_MAGIC, 1), (magic, version)
    position = sector_bytes
    for _ in range(count):
        log.seek(position)
        head = log.read(sector_bytes)
        sector, sectors, flags, data_bytes = _ENTRY.unpack_from(head)
        position += sector_bytes
        mark = head[_ENTRY.size :][:data_bytes].decode() if flags & _MARK else ""
        data = b""
        if not flags & _DISCARD:
            data = log.read(sectors * sector_bytes)
            position += len(data)
        yield Write(sector * sector_bytes, data, mark.rstrip("\0"), bool(flags & _DISCARD))
