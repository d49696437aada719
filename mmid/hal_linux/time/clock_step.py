"""Notices that the wall clock was set, or that the board woke from suspend.

A timer that the kernel cancels when somebody sets the clock
(timerfd_create(2), TFD_TIMER_CANCEL_ON_SET): nothing polls, and being woken
is also what lets the event loop see after a resume which of its timers are
overdue.
"""

import asyncio
import ctypes
import errno
import logging
import os
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)

_TFD_TIMER_ABSTIME = 1
_TFD_TIMER_CANCEL_ON_SET = 2

# The timer has to be set to something. Once a month is next to never, and
# within what a 32-bit time can say.
_FAR_S = 30 * 24 * 3600


class StepWatch:
    """Watches from its making until ``close``; needs a running event loop.

    A kernel without timerfd is no reason not to run: then nothing is noticed,
    and the log says so.

    Args:
        on_step: called with the seconds the clock was moved by; about 0 after
            a suspend, for then both clocks went on.
    """

    def __init__(self, on_step: Callable[[float], None]) -> None:
        self._on_step = on_step
        self._offset_s = _offset_s()
        self._fd = -1
        try:
            self._fd = _create()
            _arm(self._fd)
        except OSError as error:
            _log.warning("steps of the clock cannot be noticed here: %s", error)
            self.close()
        else:
            asyncio.get_running_loop().add_reader(self._fd, self._ready)

    def close(self) -> None:
        """Watch no more."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _ready(self) -> None:
        stepped = _was_cancelled(self._fd)
        _arm(self._fd)
        if stepped:
            before, self._offset_s = self._offset_s, _offset_s()
            self._on_step(self._offset_s - before)


def _offset_s() -> float:
    """Return how far the wall clock is from the clock that nobody can set."""
    return time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_BOOTTIME)


def _create() -> int:
    # Python has timerfd from 3.13 on; this is the C library's own since 2.8.
    made: int = _libc().timerfd_create(time.CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC)
    return _checked(made)


def _arm(fd: int) -> None:
    # struct itimerspec: interval and value, each seconds and nanoseconds; the
    # plain symbol takes the machine's long on 32-bit C libraries too.
    due = int(time.time()) + _FAR_S
    spec = (ctypes.c_long * 4)(0, 0, due, 0)
    _checked(_libc().timerfd_settime(fd, _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET, spec, None))


def _was_cancelled(fd: int) -> bool:
    """Read the timer: it says ECANCELED once after each step."""
    try:
        os.read(fd, 8)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno == errno.ECANCELED:
            return True
        raise
    return False


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
