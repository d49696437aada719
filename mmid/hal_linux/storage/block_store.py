"""The device record in a partition of its own: eMMC, SD card, disk, loop device.

The first slot lies at the partition's start, the second 64 KiB behind: further
apart than a page of any eMMC, so a cut while one is programmed cannot touch the
other. A slot is written whole (the rest of it zeros, so nothing of a longer old
record stays), past the page cache where the device can do that (O_DIRECT), and
flushed out of the drive's own cache before it counts.
"""

import errno
import os
import stat
import sys

from mmid.errors import StorageFailed
from mmid.hal_linux.storage.medium import DeviceMedium
from mmid.hal_linux.storage.record_format import MAX_RECORD_BYTES, is_blank
from mmid.hal_linux.storage.system_calls import SystemCalls, opened

_SLOT_DISTANCE_BYTES = 64 * 1024
_LEAST_BYTES = 2 * _SLOT_DISTANCE_BYTES

# Both eMMC and disks of the last ten years work in sectors of this size inside.
_LEAST_ALIGNMENT_BYTES = 4096

# linux/fs.h: _IO(0x12, 104), the logical block size as an int.
_BLKSSZGET = 0x1268


class BlockMedium(DeviceMedium):
    """Two slots in a block device, best named by ``/dev/disk/by-partlabel/NAME``."""

    torn_writes = True

    def __init__(self, path: str, calls: SystemCalls | None = None) -> None:
        places = (f"{path} at 0", f"{path} at {_SLOT_DISTANCE_BYTES}")
        super().__init__(f"block:{path}", places, calls)
        self._slot_bytes = _SLOT_DISTANCE_BYTES
        self._direct = False
        self._measured: int | None = None  # the number of the device whose sizes are known

    def write(self, index: int, data: bytes) -> None:
        whole = data.ljust(self._record_bytes, b"\x00")
        self._calls.pwrite(self._descriptor, whole, index * self._slot_bytes)
        self._calls.fsync(self._descriptor)

    def _open(self, *, write: bool) -> int:
        """Open past the page cache if the device can; for writing, as its only user."""
        flags = os.O_RDWR | os.O_EXCL if write else os.O_RDONLY
        self._direct = True
        try:
            return self._calls.open(self._path, flags | os.O_DIRECT)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise self._in_use() from None
            if error.errno != errno.EINVAL:
                raise
        self._direct = False
        return self._calls.open(self._path, flags | os.O_DSYNC)

    def _examine(self, *, write: bool) -> None:
        """Refuse what cannot be meant.

        Who opened it for writing is its only user: the kernel would have refused a
        second one. For reading that has to be looked up.
        """
        facts = self._calls.fstat(self._descriptor)
        if not stat.S_ISBLK(facts.st_mode):
            raise self._refused("is not a block device; use file: for a file")
        user = "" if write else self._user(facts.st_rdev)
        if user:
            raise self._refused(f"is in use: {user}")
        if self._measured != facts.st_rdev:  # each save opens it, and its sizes stay
            self._measure()
            self._measured = facts.st_rdev

    def _measure(self) -> None:
        """See whether there is room for both slots, and how much of one a write fills."""
        size = self._calls.size(self._descriptor)
        if size < _LEAST_BYTES:
            raise self._refused(f"has {size} bytes, the device record needs {_LEAST_BYTES}")
        _, answer = self._calls.ioctl(self._descriptor, _BLKSSZGET, bytes(4))
        alignment = max(int.from_bytes(answer, sys.byteorder), _LEAST_ALIGNMENT_BYTES)
        self._record_bytes = -(-MAX_RECORD_BYTES // alignment) * alignment

    def _in_use(self) -> StorageFailed:
        """Say who else has it, when the kernel says only that somebody has."""
        with opened(self._calls, self._path, os.O_RDONLY) as descriptor:
            user = self._user(self._calls.fstat(descriptor).st_rdev)
        return self._refused(f"is in use: {user or 'mounted, swap space, or a part of a RAID'}")

    def _user(self, device: int) -> str:
        """Return who else uses a device, as far as can be seen from here."""
        number = f"{os.major(device)}:{os.minor(device)}"
        # The kernel escapes blank, tab and newline in a name; other white space may be in one.
        for line in self._calls.read_text("/proc/self/mountinfo").split("\n"):
            fields = line.split(" ")
            if fields[2:3] == [number]:
                return f"mounted at {fields[4]}"
        holders = self._calls.glob(f"/sys/dev/block/{number}/holders/*")
        return f"part of {os.path.basename(holders[0])}" if holders else ""  # noqa: PTH119

    def _read(self, index: int, start: int, length: int) -> bytes:
        if not self._direct:
            self._calls.drop_cache(self._descriptor)
        return super()._read(index, start, length)

    def _is_blank(self, data: bytes) -> bool:
        return is_blank(data)  # a disk is delivered with zeros, or with ones

    def _refused(self, why: str) -> StorageFailed:
        return StorageFailed(f"{self._path} {why}, so it is left alone")
