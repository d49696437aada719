"""The system calls that stores make, in one place.

Thin on purpose: one method a call, nothing decided here. A test hands a store
another object of this shape, and so cuts the power at any call, or is a flash
chip. Buffers for reading and writing are aligned to a page, as O_DIRECT wants.
One for a slot is kept: fresh pages cost as much as the write. So an object is
for one thread at a time, as the store that it belongs to is.
"""

import errno
import fcntl
import mmap
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmid.errors import StorageFailed

# Another mmid (a command of the operator) holds the medium for one save at most.
LOCK_TIMEOUT_S = 10.0
_LOCK_POLL_S = 0.05
_BUSY = {errno.EBUSY, errno.EWOULDBLOCK}

# As the kernel follows them in one path.
_MOST_LINKS = 40

# A slot of every medium, rounded up; what is longer (a look around the slots) is rare.
_KEPT_BYTES = 8192


def when_free(attempt: Callable[[], object]) -> None:
    """Do what the kernel refuses while another process has the medium.

    Raises:
        OSError: ``EBUSY`` or ``EWOULDBLOCK``: it was refused for ``LOCK_TIMEOUT_S``.
    """
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            attempt()
        except OSError as error:
            if error.errno not in _BUSY or time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(_LOCK_POLL_S)


class SystemCalls:
    """The kernel; section 2 of its manual has each method under this name or a near one."""

    _kept: mmap.mmap | None = None

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def fstat(self, descriptor: int) -> os.stat_result:
        return os.fstat(descriptor)

    def size(self, descriptor: int) -> int:
        return os.lseek(descriptor, 0, os.SEEK_END)

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        """Read ``length`` bytes, fewer only at the end of the file."""
        with self._buffer(length) as view:
            filled = 0
            while filled < length:
                with view[filled:] as room:
                    count = os.preadv(descriptor, [room], offset + filled)
                if not count:
                    break
                filled += count
            return bytes(view[:filled])

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> None:
        """Write all of it at a place."""
        with self._buffer(len(data)) as view:
            view[:] = data
            done = 0
            while done < len(data):
                with view[done:] as rest:
                    done += os.pwritev(descriptor, [rest], offset + done)

    def _buffer(self, length: int) -> memoryview:
        """Return so many bytes that begin at a page."""
        if length > _KEPT_BYTES:
            return memoryview(mmap.mmap(-1, length))
        self._kept = self._kept or mmap.mmap(-1, _KEPT_BYTES)
        return memoryview(self._kept)[:length]

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of it at the file's position."""
        while data:
            data = data[os.write(descriptor, data) :]

    def fsync(self, descriptor: int) -> None:
        """Have all on the medium; it empties the drive's own cache too."""
        os.fsync(descriptor)

    def drop_cache(self, descriptor: int) -> None:
        """Read from the medium what is read next: posix_fadvise(2)."""
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> tuple[int, bytes]:
        """Return the value of an ioctl, and its argument as the kernel left it."""
        buffer = bytearray(argument)
        value = fcntl.ioctl(descriptor, request, buffer)
        return value, bytes(buffer)

    def flock(self, descriptor: int, *, exclusive: bool) -> None:
        """Lock until closed, waiting ``LOCK_TIMEOUT_S`` at most.

        Raises:
            StorageFailed: somebody held it all that time.
        """
        operation = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB
        try:
            when_free(lambda: fcntl.flock(descriptor, operation))
        except BlockingIOError:
            raise StorageFailed(
                f"another program has locked the device record for {LOCK_TIMEOUT_S:g} s"
            ) from None

    def rename(self, source: str, target: str) -> None:
        os.rename(source, target)  # noqa: PTH104 - as are unlink and dirname: a Path costs 20 us

    def unlink(self, path: str) -> None:
        os.unlink(path)  # noqa: PTH108

    def mkdir(self, path: str) -> None:
        Path(path).mkdir(mode=0o700)

    def inherit_owner(self, descriptor: int, directory: int | Path) -> None:
        """As root, give a file to who owns its directory: the daemon must read what a tool made."""
        if os.geteuid() == 0:
            owner = os.stat(directory)  # noqa: PTH116 - a descriptor, or a path
            os.fchown(descriptor, owner.st_uid, owner.st_gid)

    def follow_links(self, path: str) -> str:
        """Return what a path means that may be a symbolic link, or one to another; it may dangle.

        Raises:
            OSError: ``EACCES``: a link is neither ours nor root's. Otherwise who owns the
                directory could have root write where he may not.
        """
        for _ in range(_MOST_LINKS):
            try:
                facts = os.lstat(path)
            except FileNotFoundError:
                return path
            if not stat.S_ISLNK(facts.st_mode):
                return path
            if facts.st_uid not in (0, os.geteuid()):
                raise OSError(errno.EACCES, "a symbolic link of another user is not followed", path)
            path = os.path.join(os.path.dirname(path), os.readlink(path))  # noqa: PTH115, PTH118, PTH120
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)

    def read_text(self, path: str) -> str:
        return Path(path).read_text(errors="replace")  # a mount point's name may be in any encoding

    def glob(self, pattern: str) -> list[str]:
        import glob  # noqa: PLC0415 - a file as the store never asks

        return sorted(glob.glob(pattern))  # noqa: PTH207 - the pattern is an absolute path


@contextmanager
def opened(calls: SystemCalls, path: str, flags: int) -> Iterator[int]:
    """Open a file, and close it at the end of the block."""
    descriptor = calls.open(path, flags)
    try:
        yield descriptor
    finally:
        calls.close(descriptor)
