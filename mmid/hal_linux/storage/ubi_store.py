"""The device record in a UBI volume on NAND: one copy in each of two logical erase blocks.

UBI changes a logical erase block atomically (UBI_IOCEBCH): it writes a fresh
physical block and lets the old one go only when the new one is down. It also
levels wear, skips bad blocks and moves data off pages that lose bits.
"""

import errno
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from mmid.errors import StorageFailed
from mmid.hal_linux.storage.record_format import MAX_RECORD_BYTES
from mmid.hal_linux.storage.system_calls import LOCK_TIMEOUT_S, SystemCalls

# mtd/ubi-user.h, as every architecture but MIPS, PowerPC and SPARC encodes it.
_UBI_IOCEBCH = 0x40044F02
_UBI_IOCEBER = 0x40044F01
# struct ubi_leb_change_req: block, bytes, data type (always 3, unknown), padding.
_CHANGE = struct.Struct("=iib7x")
_DATA_TYPE_UNKNOWN = 3
_BLOCK = struct.Struct("=i")

_BUSY_POLL_S = 0.05
_BLANK = b"\xff"


class UbiMedium:
    """Two slots in a dynamic UBI volume; a ``Medium``.

    Args:
        path: the volume, ``/dev/ubiX_Y`` or a link to it.
        calls: the kernel.
    """

    torn_writes = False

    def __init__(self, path: str, calls: SystemCalls | None = None) -> None:
        self.name = f"ubi:{path}"
        self.places = (f"{path}, block 0", f"{path}, block 1")
        self._path = path
        self._calls = calls or SystemCalls()
        self._descriptor = -1
        self._block_bytes = 0

    @contextmanager
    def opened(self, *, write: bool) -> Iterator[Self]:
        self._descriptor = self._calls.open(self._path, os.O_RDWR if write else os.O_RDONLY)
        try:
            self._read_geometry()
            self._calls.flock(self._descriptor, exclusive=write)
            yield self
        finally:
            self._calls.close(self._descriptor)
            self._descriptor = -1

    def read(self, index: int) -> bytes | None:
        data = self._calls.pread(self._descriptor, MAX_RECORD_BYTES, index * self._block_bytes)
        return data if data.strip(_BLANK) else None

    def write(self, index: int, data: bytes) -> None:
        request = _CHANGE.pack(index, len(data), _DATA_TYPE_UNKNOWN)
        self._ioctl_when_free(_UBI_IOCEBCH, request)
        self._calls.write(self._descriptor, data)
        self._calls.fsync(self._descriptor)

    def remove(self, index: int) -> None:
        self._ioctl_when_free(_UBI_IOCEBER, _BLOCK.pack(index))
        self._calls.fsync(self._descriptor)

    def has_other_data(self) -> bool:
        rest = self._block_bytes - MAX_RECORD_BYTES
        offsets = (MAX_RECORD_BYTES, self._block_bytes + MAX_RECORD_BYTES)
        return any(self._calls.pread(self._descriptor, rest, at).strip(_BLANK) for at in offsets)

    def _read_geometry(self) -> None:
        """Learn the geometry from /sys: UBI has no ioctl for it."""
        number = self._calls.fstat(self._descriptor).st_rdev
        folder = f"/sys/dev/char/{os.major(number)}:{os.minor(number)}"
        try:
            kind = self._calls.read_text(f"{folder}/type").strip()
            self._block_bytes = int(self._calls.read_text(f"{folder}/usable_eb_size"))
            blocks = int(self._calls.read_text(f"{folder}/reserved_ebs"))
        except (FileNotFoundError, ValueError):
            raise StorageFailed(
                f"{self._path} is not a UBI volume; it must be /dev/ubiX_Y"
            ) from None
        if kind != "dynamic":
            raise StorageFailed(
                f"{self._path} is a {kind} UBI volume; the device record needs a dynamic one"
            )
        if blocks < len(self.places) or self._block_bytes < MAX_RECORD_BYTES:
            raise StorageFailed(
                f"{self._path} has {blocks} blocks of {self._block_bytes} bytes; the device "
                f"record needs {len(self.places)} of {MAX_RECORD_BYTES}"
            )

    def _ioctl_when_free(self, request: int, argument: bytes) -> None:
        """UBI changes a block for its only user: wait for a reader to go."""
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                self._calls.ioctl(self._descriptor, request, argument)
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(_BUSY_POLL_S)
