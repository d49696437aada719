"""The device record in a file system: two copies, each replaced atomically.

The copies are PATH and PATH.copy. A save writes both, one after the other,
each into PATH.new (fsync) that is then renamed over it (fsync of the
directory). So at every instant at least one copy is whole, and after a save
both hold the new payload: one bad block does not lose the registration.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmid.errors import StorageFailed
from mmid.hal_linux.record_format import MAX_RECORD_BYTES, Record, decode, encode

__all__ = ["FileStore"]


class FileStore:
    """A ``Store`` in a file.

    Args:
        path: the first copy. Its directory is made (mode 0700) if only that
            is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._copies = (path, path.with_name(path.name + ".copy"))
        self._temporary = path.with_name(path.name + ".new")

    @property
    def name(self) -> str:
        """The target as the settings wrote it."""
        return f"file:{self._path}"

    def load(self) -> bytes | None:
        """Return the payload saved last, or None if there never was one.

        Raises:
            StorageFailed: it cannot be read, or no copy is valid.
        """
        records = self._read_copies()
        newest = _newest(records)
        if newest is not None:
            return newest.payload
        if any(present for present, _ in records.values()):
            raise StorageFailed(
                f"every copy of the device record in {self._path} is damaged: restore it from a "
                "backup; erasing it loses the registration, which can not be made a second time"
            )
        return None

    def save(self, payload: bytes) -> None:
        """Replace the payload; durable and read back when this returns.

        Raises:
            StorageFailed: it could not be made durable; the old one is intact.
        """
        newest = _newest(self._read_copies())
        data = encode(newest.sequence + 1 if newest else 1, payload)
        with self._explained("written"):
            self._make_directory()
            for copy in self._copies:
                self._replace(copy, data)
                self._compare(copy, data)

    def erase(self) -> None:
        """Forget the payload for good.

        Raises:
            StorageFailed: it could not be erased, or is not mmid's.
        """
        self._read_copies()  # to refuse what is not ours
        with self._explained("erased"):
            # Against the order of saving: an older copy must not outlive the newer one.
            for path in (self._temporary, *reversed(self._copies)):
                path.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                _sync_directory(self._path.parent)

    def _read_copies(self) -> dict[Path, tuple[bool, Record | None]]:
        """Return for each copy whether it is there, and its record if that is valid.

        A copy that is not a record counts as damaged if the other is valid:
        then both are ours. Alone it is somebody else's file.
        """
        found: dict[Path, tuple[bool, Record | None]] = {}
        foreign: StorageFailed | None = None
        for copy in self._copies:
            with self._explained("read"):
                data = _read(copy)
            try:
                found[copy] = (data is not None, decode(data, str(copy)) if data else None)
            except StorageFailed as error:
                foreign = error
                found[copy] = (True, None)
        if foreign is not None and _newest(found) is None:
            raise foreign
        return found

    def _make_directory(self) -> None:
        parent = self._path.parent
        if not parent.exists():
            parent.mkdir(mode=0o700)
            _sync_directory(parent.parent)

    def _replace(self, copy: Path, data: bytes) -> None:
        self._temporary.unlink(missing_ok=True)  # left behind by a power cut
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self._temporary, flags, 0o600)
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._temporary.replace(copy)
        except OSError:
            with suppress(OSError):
                self._temporary.unlink(missing_ok=True)
            raise
        _sync_directory(copy.parent)

    def _compare(self, copy: Path, data: bytes) -> None:
        if _read(copy) != data:
            raise StorageFailed(
                f"{copy} does not read back as it was written: the medium is failing, replace it"
            )

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn what the operating system says into a ``StorageFailed`` that names the path."""
        try:
            yield
        except OSError as error:
            place = error.filename or self._path
            raise StorageFailed(
                f"the device record {self._path} cannot be {what}: {error.strerror} ({place})"
            ) from error


def _newest(records: dict[Path, tuple[bool, Record | None]]) -> Record | None:
    return max((record for _, record in records.values()), key=_rank, default=None)


def _rank(record: Record | None) -> int:
    return -1 if record is None else record.sequence


def _read(path: Path) -> bytes | None:
    """Return the file's bytes from the medium, or None if there is no file."""
    try:
        # Non-blocking, so that a FIFO in the record's place stops nobody.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # not what the cache remembers
        return os.read(descriptor, MAX_RECORD_BYTES)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
