"""Media in memory that can lose power: each says what may be left of it after a cut.

A double stands in the place of the kernel. Before it carries out a call that
changes something, it hands every state in which a power cut during this call
could leave the medium to ``on_cut``: one run of a save so visits all its cuts.
A state is a hashable value, and a new double starts from it.

The kernel's real drivers are tried in a virtual machine; these doubles are
nastier than they are: a disk loses any part of what was not synced, flash
stops in the middle of a byte and of an erase.
"""

# ruff: noqa: ARG002 - the methods have the signatures of SystemCalls

import errno
import random
import stat
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mmid.hal_linux.storage.system_calls import SystemCalls

OnCut = Callable[[Any], None]


class Double(SystemCalls, ABC):
    """What all doubles have in common.

    Args:
        state: what the medium holds; None: it is new.
        on_cut: told each state that a power cut may leave.
    """

    target: str
    descriptor = 7

    def __init__(self, state: Any = None, on_cut: OnCut | None = None) -> None:
        self.changes = 0
        self.files: dict[str, str] = {}
        self._on_cut = on_cut
        self._dice = random.Random(1)  # noqa: S311 - no secret, and the same each time
        self.restore(state)

    @abstractmethod
    def restore(self, state: Any) -> None:
        """Hold what a state says; None: be new."""

    @abstractmethod
    def state(self) -> Hashable:
        """What is left when the power goes now, at best."""

    def lost(self) -> Iterator[Any]:
        """What may be left if the power goes now."""
        yield self.state()

    def cut(self, states: Iterator[Any]) -> None:
        """Count a change, and visit what cuts in the middle of it leave."""
        self.changes += 1
        if self._on_cut is not None:
            for state in states:
                self._on_cut(state)

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        assert path == self.target.partition(":")[2]
        return self.descriptor

    def close(self, descriptor: int) -> None:
        assert descriptor == self.descriptor

    def flock(self, descriptor: int, *, exclusive: bool) -> None:
        pass

    def drop_cache(self, descriptor: int) -> None:
        pass

    def fsync(self, descriptor: int) -> None:
        pass

    def read_text(self, path: str) -> str:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return self.files[path]

    def glob(self, pattern: str) -> list[str]:
        return [path for path in sorted(self.files) if path.startswith(pattern.partition("*")[0])]


def spliced(data: bytes, offset: int, part: bytes) -> bytes:
    return data[:offset] + part + data[offset + len(part) :]


def grained(length: int) -> list[int]:
    """Return where to cut a write: at every byte of a header, then at every eleventh."""
    return [*range(min(length, 24)), *range(24, length, 11), length]


class BlockDouble(Double):
    """A drive with a cache: what was not synced may be lost, sector by sector."""

    target = "block:/dev/sdz1"
    size_bytes = 128 * 1024
    sector_bytes = 512
    mounts = ""

    def restore(self, state: Any) -> None:
        self._down: bytes = bytes(self.size_bytes) if state is None else state
        self._cache: list[tuple[int, bytes]] = []
        self.files["/proc/self/mountinfo"] = self.mounts

    def state(self) -> bytes:
        return self._down

    def fstat(self, descriptor: int) -> Any:
        return SimpleNamespace(st_mode=stat.S_IFBLK | 0o600, st_rdev=0x0801)

    def size(self, descriptor: int) -> int:
        return self.size_bytes

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> tuple[int, bytes]:
        assert request == 0x1268
        return 0, struct.pack("=i", self.sector_bytes)

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        data = self._down
        for at, sector in self._cache:
            data = spliced(data, at, sector)
        return data[offset : offset + length]

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> None:
        assert len(data) % self.sector_bytes == offset % self.sector_bytes == 0
        sectors = [
            (offset + at, data[at : at + self.sector_bytes])
            for at in range(0, len(data), self.sector_bytes)
        ]
        self.cut(self._torn(self._cache + sectors))
        self._cache += sectors

    def fsync(self, descriptor: int) -> None:
        self.cut(self._torn(self._cache))
        for at, sector in self._cache:
            self._down = spliced(self._down, at, sector)
        self._cache = []

    def lost(self) -> Iterator[bytes]:
        return self._torn(self._cache)

    def _torn(self, sectors: list[tuple[int, bytes]]) -> Iterator[bytes]:
        """Any part of the sectors may be down, in any order; one may be torn at any byte."""
        yield self._down
        for count in range(len(sectors) + 1):
            yield self._with(sectors[:count])
            yield self._with(sectors[count:])
        for _ in range(20):
            yield self._with([sector for sector in sectors if self._dice.random() < 0.5])
        for at, sector in sectors[:1]:
            for length in grained(len(sector)):
                yield spliced(self._down, at, sector[:length])

    def _with(self, sectors: list[tuple[int, bytes]]) -> bytes:
        data = self._down
        for at, sector in sectors:
            data = spliced(data, at, sector)
        return data


class MtdDouble(Double):
    """NOR flash: erasing sets all bits, writing clears some; both can stop anywhere."""

    target = "mtd:/dev/mtd9"
    erase_bytes = 8192
    write_bytes = 1
    blocks = 8
    flags = 0xC00  # writable, and each bit by itself
    bad: tuple[int, ...] = ()

    def restore(self, state: Any) -> None:
        self._data: bytes = b"\xff" * (self.erase_bytes * self.blocks) if state is None else state

    def state(self) -> bytes:
        return self._data

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> tuple[int, bytes]:
        if request == 0x80204D01:
            info = (3, self.flags, len(self._data), self.erase_bytes, self.write_bytes, 0, 0)
            return 0, struct.pack("=B3xIIIIIQ", *info)
        if request == 0x40084D0B:
            (offset,) = struct.unpack("=q", argument)
            return int(offset // self.erase_bytes in self.bad), argument
        assert request == 0x40084D02
        start, length = struct.unpack("=II", argument)
        assert start % self.erase_bytes == 0
        assert length == self.erase_bytes
        assert start // self.erase_bytes not in self.bad
        self.cut(self._half_erased(start))
        self._data = spliced(self._data, start, b"\xff" * length)
        return 0, argument

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        return self._data[offset : offset + length]

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> None:
        assert len(data) % self.write_bytes == offset % self.write_bytes == 0
        assert set(self._data[offset : offset + len(data)]) == {0xFF}, "written without an erase"
        self.cut(self._half_written(data, offset))
        self._data = spliced(self._data, offset, data)

    def _half_erased(self, start: int) -> Iterator[bytes]:
        block = self._data[start : start + self.erase_bytes]
        for done in range(0, self.erase_bytes + 1, self.erase_bytes // 8):
            gone = b"\xff" * done
            yield spliced(self._data, start, gone)
            yield spliced(self._data, start + self.erase_bytes - done, gone)
        old = int.from_bytes(block)
        some = [self._dice.getrandbits(len(block) * 8) for _ in range(3)]
        for erased in (some[0] & some[1] & some[2], some[0], some[0] | some[1] | some[2]):
            yield spliced(self._data, start, (old | erased).to_bytes(len(block)))

    def _half_written(self, data: bytes, offset: int) -> Iterator[bytes]:
        for done in grained(len(data)):
            yield spliced(self._data, offset, data[:done])
            if done < len(data):
                unfinished = bytes([data[done] | self._dice.getrandbits(8)])
                yield spliced(self._data, offset, data[:done] + unfinished)


class UbiDouble(Double):
    """A UBI volume: a block changes with the last byte of the write, or not at all."""

    target = "ubi:/dev/ubi0_0"
    block_bytes = 15872
    blocks = 2
    kind = "dynamic"

    def restore(self, state: Any) -> None:
        self._blocks: tuple[bytes, ...] = state or (b"",) * self.blocks
        self._request: tuple[int, int] | None = None
        self._begun = b""
        self.busy = 0
        folder = "/sys/dev/char/0:5"
        self.files[f"{folder}/type"] = f"{self.kind}\n"
        self.files[f"{folder}/usable_eb_size"] = f"{self.block_bytes}\n"
        self.files[f"{folder}/reserved_ebs"] = f"{self.blocks}\n"

    def state(self) -> tuple[bytes, ...]:
        return self._blocks

    def fstat(self, descriptor: int) -> Any:
        return SimpleNamespace(st_mode=stat.S_IFCHR | 0o600, st_rdev=5)

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        data = b"".join(block.ljust(self.block_bytes, b"\xff") for block in self._blocks)
        return data[offset : offset + length]

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> tuple[int, bytes]:
        if self.busy:
            self.busy -= 1
            raise OSError(errno.EBUSY, "Device or resource busy")
        if request == 0x40044F02:
            block, length, _ = struct.unpack("=iib7x", argument)
            assert length <= self.block_bytes
            self.cut(iter([self._blocks]))
            self._request, self._begun = (block, length), b""
            return 0, argument
        assert request == 0x40044F01
        (block,) = struct.unpack("=i", argument)
        erased = self._with(block, b"")
        self.cut(iter([self._blocks, erased]))
        self._blocks = erased
        return 0, argument

    def write(self, descriptor: int, data: bytes) -> None:
        assert self._request is not None
        block, length = self._request
        self._begun += data
        assert len(self._begun) <= length
        whole = len(self._begun) == length
        after = self._with(block, self._begun) if whole else self._blocks
        self.cut(iter([self._blocks, after]))
        self._blocks = after

    def fsync(self, descriptor: int) -> None:
        self.cut(iter([self._blocks]))

    def _with(self, block: int, data: bytes) -> tuple[bytes, ...]:
        return (*self._blocks[:block], data, *self._blocks[block + 1 :])


class FilesDouble(Double):
    """A directory: names and contents are sure when synced, and each on its own before."""

    target = "file:/var/lib/mmid/device.bin"
    folder = "/var/lib/mmid"

    def restore(self, state: Any) -> None:
        # Inode -> what is down of it, or in the cache; name -> inode, likewise.
        self._contents: list[bytes] = [data for _, data in state or ()]
        self._synced: list[bool] = [True] * len(self._contents)
        self._down: dict[str, int] = {name: at for at, (name, _) in enumerate(state or ())}
        self._names = dict(self._down)
        self._moves: list[dict[str, int]] = []  # the names after each change that is not synced

    def state(self) -> Any:
        return self._as_state(self._names, self._contents)

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        if path == self.folder:
            return 1000
        if flags & 0o100:  # O_CREAT
            assert path not in self._names
            self._contents.append(b"")
            self._synced.append(False)
            self._change({**self._names, path: len(self._contents) - 1})
        if path not in self._names:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return self._names[path]

    def follow_links(self, path: str) -> str:
        return path  # there are none; this machine's own files are not asked

    def close(self, descriptor: int) -> None:
        pass

    def fstat(self, descriptor: int) -> Any:
        return SimpleNamespace(st_mode=stat.S_IFREG | 0o600)

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        return self._contents[descriptor][offset : offset + length]

    def write(self, descriptor: int, data: bytes) -> None:
        whole = self._contents[descriptor]
        for length in grained(len(data)):
            self._contents[descriptor] = whole + data[:length]
            self.cut(self._left())

    def fsync(self, descriptor: int) -> None:
        self.cut(self._left())
        if descriptor == 1000:
            self._down, self._moves = dict(self._names), []
        else:
            self._synced[descriptor] = True

    def inherit_owner(self, descriptor: int, directory: int | Path) -> None:
        """There are no owners here."""

    def rename(self, source: str, target: str) -> None:
        names = dict(self._names)
        names[target] = names.pop(source)
        self._change(names)

    def unlink(self, path: str) -> None:
        if path not in self._names:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        self._change({name: at for name, at in self._names.items() if name != path})

    def _change(self, names: dict[str, int]) -> None:
        self._names = names
        self._moves.append(names)
        self.cut(self._left())

    def lost(self) -> Iterator[Any]:
        return self._left()

    def _left(self) -> Iterator[Any]:
        """The journal is down up to any point; a file that is not synced has any part."""
        for names in (self._down, *self._moves):
            for share in (0.0, 0.5, 1.0):
                contents = [
                    data if synced else data[: int(len(data) * share)]
                    for data, synced in zip(self._contents, self._synced, strict=True)
                ]
                yield self._as_state(names, contents)
            zeros = [
                data if synced else bytes(len(data))
                for data, synced in zip(self._contents, self._synced, strict=True)
            ]
            yield self._as_state(names, zeros)

    def _as_state(self, names: dict[str, int], contents: list[bytes]) -> Any:
        return tuple(sorted((name, contents[at]) for name, at in names.items()))
