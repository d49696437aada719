"""Files that the settings name: none may block whoever opens it, or have no end."""

import errno
import stat
from pathlib import Path

# 1 MiB: the authorities of a whole system are a quarter of it.
LONGEST_PEM_BYTES = 1 << 20


def require_regular_file(path: str | Path, longest_bytes: int) -> None:
    """See that a path can be opened and read without waiting; directories are left to ``open``.

    It is looked at and not opened: a FIFO would block, and a device might do anything.

    Args:
        path: the file; links are followed.
        longest_bytes: the largest size that is taken.

    Raises:
        OSError: there is no such file, it is a FIFO, a device or a socket, or it is too large.
    """
    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe, a device or a socket")
    if found.st_size > longest_bytes:
        raise OSError(errno.EFBIG, f"it is over {longest_bytes // 1024} KiB")
