"""One owner at a time for a device record: the daemon, or a tool of the factory line.

Two writers would each take the other's registration for damage. Whoever
writes holds a lock of flock(2), which ends with its process however that
ends. A record in a file is locked by PATH.lock beside it; a flash device by
a file in /run/mmid, because a UBI volume that anybody else has open cannot
be updated.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmid.errors import StorageFailed
from mmid.hal_linux.storage import paths_of
from mmid.hal_linux.storage.system_calls import SystemCalls

RUN_DIRECTORY = Path("/run/mmid")

# Where the lock of a file cannot be made, nobody can write the record either.
_NOBODY_WRITES_THERE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR}


class StoreInUse(StorageFailed):
    """Another process works with this device record."""


@contextmanager
def hold_store(target: str) -> Iterator[None]:
    """Be the only one who writes the device record, until the block ends.

    Args:
        target: ``storage.target`` of the settings.

    Raises:
        StoreInUse: somebody else is; nothing is waited for.
        StorageFailed: the lock cannot be made.
    """
    kind, _, place = target.partition(":")
    path = _file_lock(place) if kind == "file" else _device_lock(kind, place)
    descriptor = _open(path, kind) if path else None
    if descriptor is None:
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = f"the device record {target} is in use by another mmid"
            advice = "Stop it first, for example: systemctl stop mmid"
            raise StoreInUse(text, advice=advice) from None
        yield
    finally:
        os.close(descriptor)


def _open(path: Path, kind: str) -> int | None:
    """Open the lock, or return None where it would protect nothing."""
    try:
        path.parent.mkdir(mode=0o700 if kind == "file" else 0o755, exist_ok=True)
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            descriptor = os.open(path, flags)
        else:
            # A tool that root runs: the daemon must be able to open it, too. Only what was
            # made here is given away: what was there may be a hard link to another's file.
            SystemCalls().inherit_owner(descriptor, path.parent)
    except OSError as error:
        if kind == "file" and error.errno in _NOBODY_WRITES_THERE:
            return None
        raise StorageFailed(f"the lock {path} cannot be made: {error.strerror}") from error
    return descriptor


def _file_lock(place: str) -> Path:
    """Return the lock of a file, the same by whichever of its names it is called."""
    try:
        return Path(f"{SystemCalls().follow_links(place)}.lock")
    except OSError as error:
        raise StorageFailed(
            f"storage.target {place}: {error.strerror} ({error.filename})"
        ) from error


def _device_lock(kind: str, place: str) -> Path | None:
    """Return the lock of a device, the same by whichever of its names it is called."""
    place = next(iter(paths_of(f"{kind}:{place}")), "")
    try:
        number = Path(place).stat().st_rdev
    except OSError:
        number = 0
    if not number:
        return None  # no device: opening the store fails, and its message is the better one
    minor = os.minor(number)
    if kind == "mtd":
        minor -= minor % 2  # even: /dev/mtdN; odd: its read-only twin /dev/mtdNro
    return RUN_DIRECTORY / f"{kind}-{os.major(number)}-{minor}.lock"
