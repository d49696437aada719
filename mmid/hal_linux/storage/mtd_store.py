"""The device record in raw flash, through the kernel's MTD character device.

The device is cut in halves; a slot is the first good erase blocks of its half
that hold a record, mostly one. So blocks that go bad move one slot and never
both. Raw flash is erased before it is written, always: what reads as blank may
be half erased, and would not hold what is written to it.

Meant for NOR, where a page program and an erase can tear but what was written
stays. On NAND use ``ubi:``: it also moves data off pages that lose bits.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from mmid.errors import StorageFailed
from mmid.hal_linux.storage.record_format import MAX_RECORD_BYTES
from mmid.hal_linux.storage.system_calls import SystemCalls

# mtd/mtd-abi.h, as every architecture but MIPS, PowerPC and SPARC encodes it.
_MEMGETINFO = 0x80204D01
_MEMERASE = 0x40084D02
_MEMGETBADBLOCK = 0x40084D0B
# struct mtd_info_user: type, flags, size, erasesize, writesize, oobsize, padding.
_INFO = struct.Struct("=B3xIIIIIQ")
_ERASE = struct.Struct("=II")
_OFFSET = struct.Struct("=q")
_WRITEABLE = 0x400

_BLANK = b"\xff"


def device_paths(place: str, calls: SystemCalls) -> list[str]:
    """Return the devices that a place names: one, unless it is a name that is not unique.

    The names are looked up in /sys, because /proc/mtd is hidden in the service's sandbox.

    Args:
        place: ``/dev/mtdN``, or ``name=NAME`` as the partition table calls it.
        calls: the kernel.
    """
    kind, _, name = place.partition("=")
    if kind != "name":
        return [place]
    return [
        f"/dev/{path.split('/')[-2]}"
        for path in calls.glob("/sys/class/mtd/mtd*/name")
        if not path.endswith("ro/name") and calls.read_text(path).strip() == name
    ]


class MtdMedium:
    """Two slots in an MTD device; a ``Medium``.

    Args:
        place: ``/dev/mtdN``, or ``name=NAME`` as the partition table calls it.
        calls: the kernel.
    """

    torn_writes = True

    def __init__(self, place: str, calls: SystemCalls | None = None) -> None:
        self.name = f"mtd:{place}"
        self.places = (f"the first half of mtd:{place}", f"the second half of mtd:{place}")
        self._place = place
        self._calls = calls or SystemCalls()
        self._descriptor = -1
        self._erase_bytes = 0
        self._write_bytes = 0
        self._slots: list[list[int]] = []

    @contextmanager
    def opened(self, *, write: bool) -> Iterator[Self]:
        path = self._path()
        self._descriptor = self._calls.open(path, os.O_RDWR if write else os.O_RDONLY)
        try:
            self._calls.flock(self._descriptor, exclusive=write)
            self._read_geometry(path, write=write)
            yield self
        finally:
            self._calls.close(self._descriptor)
            self._descriptor = -1

    def read(self, index: int) -> bytes | None:
        data = self._read(index)
        return data[: self._record_bytes()] if data.strip(_BLANK) else None

    def write(self, index: int, data: bytes) -> None:
        for block in self._slots[index]:
            self._calls.ioctl(self._descriptor, _MEMERASE, _ERASE.pack(block, self._erase_bytes))
        padded = data + _BLANK * (-len(data) % self._write_bytes)
        for block in self._slots[index]:
            part, padded = padded[: self._erase_bytes], padded[self._erase_bytes :]
            if part:
                self._calls.pwrite(self._descriptor, part, block)

    def remove(self, index: int) -> None:
        self.write(index, b"")

    def has_other_data(self) -> bool:
        return any(self._read(index)[self._record_bytes() :].strip(_BLANK) for index in (0, 1))

    def _read(self, index: int) -> bytes:
        return b"".join(
            self._calls.pread(self._descriptor, self._erase_bytes, block)
            for block in self._slots[index]
        )

    def _record_bytes(self) -> int:
        return -(-MAX_RECORD_BYTES // self._write_bytes) * self._write_bytes

    def _path(self) -> str:
        paths = device_paths(self._place, self._calls)
        if len(paths) != 1:
            count = "no" if not paths else "more than one"
            raise StorageFailed(f"there is {count} flash partition of that name: {self.name}")
        return paths[0]

    def _read_geometry(self, path: str, *, write: bool) -> None:
        """Learn the geometry, and which blocks are good."""
        _, answer = self._calls.ioctl(self._descriptor, _MEMGETINFO, bytes(_INFO.size))
        _, flags, size, self._erase_bytes, self._write_bytes, _, _ = _INFO.unpack(answer)
        if write and not flags & _WRITEABLE:
            raise StorageFailed(f"{path} ({self.name}) is not writable; see the partition table")
        if not self._erase_bytes or not self._write_bytes:
            raise StorageFailed(f"{path} ({self.name}) is not a flash that can be erased")
        half = size // self._erase_bytes // 2
        blocks_needed = -(-self._record_bytes() // self._erase_bytes)
        self._slots = [
            self._good_blocks(range(half * index, half * (index + 1)), blocks_needed)
            for index in (0, 1)
        ]
        if any(len(slot) < blocks_needed for slot in self._slots):
            raise StorageFailed(
                f"{path} ({self.name}) is too small: the device record needs {blocks_needed} "
                f"good erase blocks of {self._erase_bytes} bytes in each half of its {size}"
            )
        self.places = (f"{path} at {self._slots[0][0]}", f"{path} at {self._slots[1][0]}")

    def _good_blocks(self, numbers: range, count: int) -> list[int]:
        """Return the offsets of the first good blocks."""
        good: list[int] = []
        for number in numbers:
            if len(good) == count:
                break
            offset = number * self._erase_bytes
            bad, _ = self._calls.ioctl(self._descriptor, _MEMGETBADBLOCK, _OFFSET.pack(offset))
            if not bad:
                good.append(offset)
        return good
