"""Counts open file descriptors, to see that none is left behind."""

import os
from pathlib import Path


def copies(descriptor: int) -> int:
    """Return how many descriptors of this process are of the same file."""
    mine = os.fstat(descriptor)
    count = 0
    for name in list(Path("/proc/self/fd").iterdir()):
        try:
            other = os.fstat(int(name.name))
        except OSError:  # it was closed meanwhile
            continue
        count += (other.st_dev, other.st_ino) == (mine.st_dev, mine.st_ino)
    return count
