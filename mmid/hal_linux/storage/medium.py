"""What a medium is to the record, and what else may lie on one.

Each kind of store has a medium (``file_store``, ``block_store``, ``mtd_store``,
``ubi_store``); ``slots`` alone decides what is written where.
"""

import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, Self

from mmid.hal_linux.storage.record_format import MAX_RECORD_BYTES
from mmid.hal_linux.storage.system_calls import SystemCalls


class Medium(Protocol):
    """Two slots that can be read and replaced while it is open.

    Attributes:
        name: the target as the settings wrote it.
        places: what the slots are called in messages.
        torn_writes: whether a power cut can leave a slot half written.
    """

    name: str
    places: tuple[str, str]
    torn_writes: bool

    def opened(self, *, write: bool) -> AbstractContextManager["Medium"]:
        """Open it, locked against other processes."""

    def read(self, index: int) -> bytes | None:
        """Return what is in the slot, from its start, or None if nothing was ever written."""

    def write(self, index: int, data: bytes) -> None:
        """Replace what is in the slot; durable when this returns."""

    def remove(self, index: int) -> None:
        """Make the slot as if nothing was ever written."""

    def has_other_data(self) -> bool:
        """Whether there is something around the slots that a write would destroy."""


class DeviceMedium(Medium):
    """What all media but files are: two slots of the same length on one device.

    Args:
        name: the target as the settings wrote it.
        places: what the slots are called in messages.
        calls: the kernel.
    """

    def __init__(self, name: str, places: tuple[str, str], calls: SystemCalls | None) -> None:
        self.name = name
        self.places = places
        self._path = name.partition(":")[2]
        self._calls = calls or SystemCalls()
        self._descriptor = -1
        self._slot_bytes = 0
        # The part of a slot, from its start, that a record may fill.
        self._record_bytes = MAX_RECORD_BYTES

    @contextmanager
    def opened(self, *, write: bool) -> Iterator[Self]:
        self._descriptor = self._open(write=write)
        try:
            self._calls.flock(self._descriptor, exclusive=write)
            self._examine(write=write)
            yield self
        finally:
            self._calls.close(self._descriptor)
            self._descriptor = -1

    def read(self, index: int) -> bytes | None:
        data = self._read(index, 0, self._record_bytes)
        return None if self._is_blank(data) else data

    def remove(self, index: int) -> None:
        self.write(index, b"")

    def has_other_data(self) -> bool:
        rest = self._slot_bytes - self._record_bytes
        return not all(self._is_blank(self._read(i, self._record_bytes, rest)) for i in (0, 1))

    def _open(self, *, write: bool) -> int:
        return self._calls.open(self._path, os.O_RDWR if write else os.O_RDONLY)

    @abstractmethod
    def _examine(self, *, write: bool) -> None:
        """Learn the geometry; refuse what cannot be meant."""

    def _read(self, index: int, start: int, length: int) -> bytes:
        return self._calls.pread(self._descriptor, length, index * self._slot_bytes + start)

    def _is_blank(self, data: bytes) -> bool:
        """Whether it is as flash is after it was erased."""
        return not data.strip(b"\xff")


# A settings file that names the wrong partition must not cost anybody a file
# system. Whatever is not mmid's is refused anyway; the signature makes the refusal
# say what it is, and certain where one copy of the record survived below something newer.
#
# Offset, bytes, name. The first match wins, so the short marks are last.
_SIGNATURES = (
    (0, b"LUKS\xba\xbe", "a LUKS volume"),
    (0, b"XFSB", "an XFS file system"),
    (0, b"hsqs", "a squashfs image"),
    (0, b"UBI#", "UBI"),
    (0, b"\x31\x18\x10\x06", "a UBIFS file system"),
    (0, b"\xd0\x0d\xfe\xed", "a device tree or FIT image"),
    (0, b"\x27\x05\x19\x56", "a U-Boot image"),
    (0, b"ANDROID!", "an Android boot image"),
    (0, b"\x45\x3d\xcd\x28", "a cramfs image"),
    (64, b"_BHRfS_M", "a btrfs file system"),
    (512, b"EFI PART", "a GPT partition table"),
    (512, b"LABELONE", "an LVM volume"),
    (1024, b"\xe2\xe1\xf5\xe0", "an EROFS file system"),
    (1024, b"\x10\x20\xf5\xf2", "an F2FS file system"),
    (4086, b"SWAPSPACE2", "swap space"),
    (4096, b"EFI PART", "a GPT partition table"),
    (0, b"\x85\x19", "a JFFS2 file system"),
    (510, b"\x55\xaa", "a boot sector, FAT file system or partition table"),
    (1080, b"\x53\xef", "an ext2, ext3 or ext4 file system"),
)


def signature(data: bytes) -> str:
    """Return what the data looks like, or an empty text if no signature matches."""
    for offset, mark, name in _SIGNATURES:
        if data[offset : offset + len(mark)] == mark:
            return name
    return ""
