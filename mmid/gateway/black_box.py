"""The black box: the last 256 transitions, in a file that outlives the process.

A ring of text lines in a memory-mapped file of the runtime directory. What is
written to a mapping belongs to the kernel at once, so kill -9, the watchdog and a
crash lose nothing; and as that directory is a tmpfs nothing ever needs a sync. A
line has 80 characters,

    0000000042 000012345.678 thinking         DialogStateChanged           1c291ca3

its number, the loop's monotonic time in seconds, the state that was entered,
what caused it and a CRC-32 of all that, so ``sort`` shows the file in order.
What people say never comes here.
"""

import logging
import mmap
import os
from pathlib import Path
from zlib import crc32

from mmid.frozen import frozen

_log = logging.getLogger(__name__)

CAPACITY = 256
_LINE_BYTES = 80
_FILE_BYTES = CAPACITY * _LINE_BYTES

# Journal MESSAGE_ID of what the run before left behind, fixed for ever.
UNCLEAN_END = "3075549632af4a28ad427c6cd549f240"

# So many lines tell how it came to a crash; all of them are in GetHistory.
_TAIL_LINES = 16

# The first and the last state of every run that ends as it should.
_STARTED = "started"
_STOPPED = "stopped"
_FAILED = "failed"


@frozen
class Transition:
    """One line.

    Attributes:
        at_s: monotonic time in seconds, going on during suspend.
        state: what was entered, at most 16 characters.
        cause: a word or two for why, at most 28 characters.
    """

    at_s: float
    state: str
    cause: str


class BlackBox:
    """A ring of transitions; ``open`` finds those of the runs before.

    Args:
        file: descriptor of the file; -1: keep the ring in memory only.

    Raises:
        OSError: the file has no room.
    """

    def __init__(self, file: int = -1) -> None:
        self._file = file
        self._ring = mmap.mmap(file, _FILE_BYTES)
        found = sorted(_numbered(self._ring))
        self._next = found[-1][0] + 1 if found else 0

    @classmethod
    def open(cls, directory: Path) -> "BlackBox":
        """Open the ring in a directory; one in memory if that is not possible.

        Not having it must not keep a board from talking. A second daemon on
        the same directory does not get the file either.
        """
        try:
            return cls(_lock(directory / "black-box"))
        except OSError as error:
            _log.info("the black box will not outlive this run: %s: %s", directory, error.strerror)
            return cls()

    def close(self) -> None:
        """Let go of the file; what it holds stays."""
        self._ring.close()
        if self._file >= 0:
            os.close(self._file)

    def started(self, now: float, version: str) -> None:
        """Log how the run before ended, if it did not end as it should; then begin this one."""
        found = self.transitions()
        starts = [place for place, one in enumerate(found) if one.state == _STARTED]
        last = found[starts[-1] :] if starts else found
        if last and last[-1].state != _STOPPED:
            told = {"MESSAGE_ID": UNCLEAN_END}
            _log.warning("the run before did not end as it should; its last moves:", extra=told)
            for one in last[-_TAIL_LINES:]:
                line = f"{one.at_s - now:+10.3f} s  {one.state}: {one.cause}"
                _log.warning("%s", line, extra=told)
        self.note(now, _STARTED, version)

    def ended(self, now: float, error: BaseException | None) -> None:
        """Note that this run ends, and whether as it should."""
        if error is None:
            self.note(now, _STOPPED, "asked to")
        else:
            self.note(now, _FAILED, type(error).__name__)

    def note(self, now: float, state: str, cause: str) -> None:
        """Write a transition over the oldest one; costs some microseconds and no system call."""
        text = f"{self._next:010d} {now:013.3f} {_fit(state, 16)} {_fit(cause, 28)} "
        line = text.encode("ascii") + b"%08x\n" % crc32(text.encode("ascii"))
        place = self._next % CAPACITY * _LINE_BYTES
        self._ring[place : place + _LINE_BYTES] = line
        self._next += 1

    def transitions(self) -> list[Transition]:
        """Return what the ring holds, oldest first."""
        return [transition for _, transition in sorted(_numbered(self._ring))]

    def history(self, now: float, now_ms: int) -> list[tuple[int, str, str]]:
        """Return what the ring holds, oldest first, as ``org.mmid1`` tells it.

        Args:
            now: the monotonic time in seconds.
            now_ms: the same moment in Unix milliseconds, by the clock as it is set now.
        """
        return [
            (max(0, now_ms - round((now - one.at_s) * 1000)), one.state, one.cause)
            for one in self.transitions()
        ]


def _lock(path: Path) -> int:
    """Open the file; another process that has it open is an ``OSError``."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(path, flags, 0o600)
    try:
        # Ends with the first close of this file in this process: it is kept open.
        os.lockf(file, os.F_TLOCK, 0)
        # Its pages are taken now: a write to a mapping cannot say that a tmpfs is full.
        os.posix_fallocate(file, 0, _FILE_BYTES)
    except BaseException:
        os.close(file)
        raise
    return file


def _fit(text: str, width: int) -> str:
    """Return the text as so many printable ASCII characters."""
    plain = text[:width]
    if not (plain.isascii() and plain.isprintable()):
        plain = "".join(one if " " <= one <= "~" else "?" for one in plain)
    return plain.ljust(width)


def _numbered(ring: mmap.mmap) -> list[tuple[int, Transition]]:
    """Return the lines of the ring that are whole, with their numbers."""
    whole = []
    for place in range(0, _FILE_BYTES, _LINE_BYTES):
        line = ring[place : place + _LINE_BYTES]
        if line[71:] != b"%08x\n" % crc32(line[:71]):
            continue  # empty, or the process died while it wrote
        text = line.decode("ascii")
        transition = Transition(float(text[11:24]), text[25:41].rstrip(), text[42:70].rstrip())
        whole.append((int(text[:10]), transition))
    return whole
