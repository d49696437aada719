"""File descriptors: those that come over a bus, and a count of the open ones."""

import os
from pathlib import Path

from mmid.dbus.bus import Bus
from mmid.dbus.stream import Stream
from mmid.dbus.wire import Message


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


class Program(Bus):
    """A program's connection, which keeps the file descriptors that come with answers."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self.kept: list[int] = []

    def _take(self, message: Message) -> None:
        self.kept += message.unix_fds
        message.unix_fds = []
        super()._take(message)
