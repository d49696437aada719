"""The device record in a file system: two copies, each replaced atomically.

The copies are PATH and PATH.copy. Each is written to PATH.new (fsync), which is
then renamed over it (fsync of the directory): a power cut leaves the old file
or the new one. ``slots`` decides when.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from mmid.hal_linux.storage.record_format import MAX_RECORD_BYTES
from mmid.hal_linux.storage.system_calls import SystemCalls, opened

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


class FileMedium:
    """Two files side by side; a ``Medium``.

    Args:
        path: the first copy, or a symbolic link to it: a rename would replace the link, and
            not what it leads to. Its directory is made (mode 0700) if only that is missing.
        calls: the kernel.
    """

    torn_writes = False

    def __init__(self, path: str | Path, calls: SystemCalls | None = None) -> None:
        self.name = f"file:{path}"
        self.places = (str(path), f"{path}.copy")
        self._calls = calls or SystemCalls()
        self._path = str(path)
        self._temporary = f"{path}.new"
        self._directory: int | None = None

    @contextmanager
    def opened(self, *, write: bool) -> Iterator[Self]:
        path = self._calls.follow_links(self._path)
        self.places, self._temporary = (path, f"{path}.copy"), f"{path}.new"
        with suppress(FileNotFoundError):
            self._directory = self._calls.open(os.path.dirname(path), _DIRECTORY)  # noqa: PTH120
        try:
            if self._directory is not None:
                self._calls.flock(self._directory, exclusive=write)
            if write:
                self._drop_temporary()  # left behind by a power cut
            yield self
        finally:
            if self._directory is not None:
                self._calls.close(self._directory)
                self._directory = None

    def read(self, index: int) -> bytes | None:
        path = self.places[index]
        try:
            # Non-blocking, so that a FIFO in the record's place stops nobody.
            with opened(self._calls, path, os.O_RDONLY | os.O_NONBLOCK) as descriptor:
                if not stat.S_ISREG(self._calls.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "not a regular file", path)
                self._calls.drop_cache(descriptor)
                return self._calls.pread(descriptor, MAX_RECORD_BYTES, 0)
        except FileNotFoundError:
            return None

    def write(self, index: int, data: bytes) -> None:
        directory = self._made_directory()
        try:
            self._write_temporary(data, directory)
            self._calls.rename(self._temporary, self.places[index])
        except OSError:
            with suppress(OSError):
                self._drop_temporary()
            raise
        self._calls.fsync(directory)

    def remove(self, index: int) -> None:
        with suppress(FileNotFoundError):
            self._calls.unlink(self.places[index])
        if self._directory is not None:
            self._calls.fsync(self._directory)

    def has_other_data(self) -> bool:
        return False

    def _write_temporary(self, data: bytes, directory: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with opened(self._calls, self._temporary, flags) as descriptor:
            self._calls.inherit_owner(descriptor, directory)
            self._calls.write(descriptor, data)
            self._calls.fsync(descriptor)

    def _drop_temporary(self) -> None:
        with suppress(FileNotFoundError):
            self._calls.unlink(self._temporary)

    def _made_directory(self) -> int:
        """Return the open directory, which is made if need be."""
        if self._directory is None:
            path = Path(self.places[0]).parent
            self._calls.mkdir(str(path))
            with opened(self._calls, str(path.parent), _DIRECTORY) as above:
                self._calls.fsync(above)
            self._directory = self._calls.open(str(path), _DIRECTORY)
            self._calls.flock(self._directory, exclusive=True)
        return self._directory
