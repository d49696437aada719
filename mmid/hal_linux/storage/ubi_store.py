"""The device record in a UBI volume on NAND: one copy in each of two logical erase blocks.

UBI changes a logical erase block atomically (UBI_IOCEBCH): it writes a fresh
physical block and lets the old one go only when the new one is down. It also
levels wear, skips bad blocks and moves data off pages that lose bits.
"""

import os
import struct

from mmid.errors import StorageFailed
from mmid.hal_linux.storage.medium import DeviceMedium
from mmid.hal_linux.storage.record_format import MAX_RECORD_BYTES
from mmid.hal_linux.storage.system_calls import SystemCalls, when_free

# mtd/ubi-user.h, as every architecture but MIPS, PowerPC and SPARC encodes it.
_UBI_IOCEBCH = 0x40044F02
_UBI_IOCEBER = 0x40044F01
# struct ubi_leb_change_req: block, bytes, data type (always 3, unknown), padding.
_CHANGE = struct.Struct("=iib7x")
_DATA_TYPE_UNKNOWN = 3
_BLOCK = struct.Struct("=i")


class UbiMedium(DeviceMedium):
    """Two slots in a dynamic UBI volume, ``/dev/ubiX_Y`` or a link to it."""

    torn_writes = False

    def __init__(self, path: str, calls: SystemCalls | None = None) -> None:
        super().__init__(f"ubi:{path}", (f"{path}, block 0", f"{path}, block 1"), calls)

    def write(self, index: int, data: bytes) -> None:
        self._change(_UBI_IOCEBCH, _CHANGE.pack(index, len(data), _DATA_TYPE_UNKNOWN))
        self._calls.write(self._descriptor, data)
        self._calls.fsync(self._descriptor)

    def remove(self, index: int) -> None:
        self._change(_UBI_IOCEBER, _BLOCK.pack(index))
        self._calls.fsync(self._descriptor)

    def _examine(self, *, write: bool) -> None:  # noqa: ARG002
        """Learn the geometry from /sys: UBI has no ioctl for it."""
        number = self._calls.fstat(self._descriptor).st_rdev
        folder = f"/sys/dev/char/{os.major(number)}:{os.minor(number)}"
        try:
            kind = self._calls.read_text(f"{folder}/type").strip()
            self._slot_bytes = int(self._calls.read_text(f"{folder}/usable_eb_size"))
            blocks = int(self._calls.read_text(f"{folder}/reserved_ebs"))
        except (FileNotFoundError, ValueError):
            raise StorageFailed(
                f"{self._path} is not a UBI volume; it must be /dev/ubiX_Y"
            ) from None
        if kind != "dynamic":
            raise StorageFailed(
                f"{self._path} is a {kind} UBI volume; the device record needs a dynamic one"
            )
        if blocks < len(self.places) or self._slot_bytes < MAX_RECORD_BYTES:
            raise StorageFailed(
                f"{self._path} has {blocks} blocks of {self._slot_bytes} bytes; the device "
                f"record needs {len(self.places)} of {MAX_RECORD_BYTES}"
            )

    def _change(self, request: int, argument: bytes) -> None:
        # UBI changes a block for its only user: a reader is waited for.
        when_free(lambda: self._calls.ioctl(self._descriptor, request, argument))
