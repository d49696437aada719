"""The device record in raw flash, through the kernel's MTD character device.

The device is cut in halves; a slot is the first good erase blocks of its half
that hold a record, mostly one. So blocks that go bad move one slot and never
both. Raw flash is erased before it is written, always: what reads as blank may
be half erased, and would not hold what is written to it.

Meant for NOR, where a page program and an erase can tear but what was written
stays. On NAND use ``ubi:``: it also moves data off pages that lose bits.
"""

import errno
import struct
from itertools import islice

from mmid.errors import StorageFailed
from mmid.hal_linux.storage.medium import DeviceMedium
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


class MtdMedium(DeviceMedium):
    """Two slots in an MTD device, ``/dev/mtdN`` or ``name=NAME``."""

    torn_writes = True

    def __init__(self, place: str, calls: SystemCalls | None = None) -> None:
        places = (f"the first half of mtd:{place}", f"the second half of mtd:{place}")
        super().__init__(f"mtd:{place}", places, calls)
        self._erase_bytes = 0
        self._write_bytes = 0
        self._slots: list[list[int]] = []

    def write(self, index: int, data: bytes) -> None:
        for block in self._slots[index]:
            self._calls.ioctl(self._descriptor, _MEMERASE, _ERASE.pack(block, self._erase_bytes))
        padded = data + b"\xff" * (-len(data) % self._write_bytes)
        for block in self._slots[index]:
            part, padded = padded[: self._erase_bytes], padded[self._erase_bytes :]
            if part:
                self._calls.pwrite(self._descriptor, part, block)

    def _open(self, *, write: bool) -> int:
        paths = device_paths(self._path, self._calls)
        if len(paths) != 1:
            count = "no" if not paths else "more than one"
            raise StorageFailed(f"there is {count} flash partition of that name: {self.name}")
        self._path = paths[0]
        return super()._open(write=write)

    def _read(self, index: int, start: int, length: int) -> bytes:
        blocks = self._slots[index]
        pieces = (self._calls.pread(self._descriptor, self._erase_bytes, at) for at in blocks)
        return b"".join(pieces)[start : start + length]

    def _examine(self, *, write: bool) -> None:
        """Learn the geometry, and which blocks are good."""
        where = f"{self._path} ({self.name})"
        try:
            _, answer = self._calls.ioctl(self._descriptor, _MEMGETINFO, bytes(_INFO.size))
        except OSError as error:
            if error.errno != errno.ENOTTY:
                raise
            # Such as /dev/mtdblockN, which hides erase blocks.
            raise StorageFailed(f"{where} is not an MTD device; it must be /dev/mtdN") from None
        _, flags, size, self._erase_bytes, self._write_bytes, _, _ = _INFO.unpack(answer)
        if write and not flags & _WRITEABLE:
            raise StorageFailed(f"{where} is not writable; see the partition table")
        if not self._erase_bytes or not self._write_bytes:
            raise StorageFailed(f"{where} is not a flash that can be erased")
        self._record_bytes = -(-MAX_RECORD_BYTES // self._write_bytes) * self._write_bytes
        half = size // self._erase_bytes // 2
        needed = -(-self._record_bytes // self._erase_bytes)
        self._slot_bytes = needed * self._erase_bytes
        self._slots = [
            self._good_blocks(range(half * index, half * (index + 1)), needed) for index in (0, 1)
        ]
        if any(len(slot) < needed for slot in self._slots):
            raise StorageFailed(
                f"{where} is too small: the device record needs {needed} good erase blocks of "
                f"{self._erase_bytes} bytes in each half of its {size}"
            )
        first, second = (f"{self._path} at {slot[0]}" for slot in self._slots)
        self.places = (first, second)

    def _good_blocks(self, numbers: range, count: int) -> list[int]:
        """Return the offsets of the first good blocks."""
        offsets = (number * self._erase_bytes for number in numbers)
        return list(islice((at for at in offsets if not self._is_bad(at)), count))

    def _is_bad(self, offset: int) -> bool:
        bad, _ = self._calls.ioctl(self._descriptor, _MEMGETBADBLOCK, _OFFSET.pack(offset))
        return bool(bad)
