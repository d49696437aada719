"""The board's time: whether it can be trusted to sign with, its steps, suspended time."""

import asyncio
import ctypes
import errno
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from mmid import RELEASED_MS

_log = logging.getLogger(__name__)

# adjtimex(2): what it returns while STA_UNSYNC is set.
_TIME_ERROR = 5

# systemd-timesyncd touches it when it has set the clock (systemd-timesyncd.service(8)).
_TIMESYNC_FLAG = Path("/run/systemd/timesync/synchronized")

# How often a clock that is not set yet is looked at, only while somebody waits:
# a clock that is slewed into place is not set, so nothing tells us.
_LOOK_EVERY_S = 0.25

# timerfd_create(2) and timerfd_settime(2), which Python has from 3.13 on.
_TFD_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_TFD_TIMER_CANCEL_ON_SET = 2

# The timer has to be set to something. Once a month is next to never, and
# within what a 32-bit time can say.
_FAR_S = 30 * 24 * 3600


class BoottimeEventLoop(asyncio.SelectorEventLoop):
    """The ordinary event loop, on CLOCK_BOOTTIME; for ``asyncio.Runner(loop_factory=...)``.

    asyncio's own runs on CLOCK_MONOTONIC, which stands still during suspend: a
    heartbeat due in 40 s would be sent 40 s after the resume, to a cloud that hung
    up long ago. Here it is due at once. The loop learns of the resume from
    ``StepWatch``, whose timer wakes it.
    """

    # Seconds since boot, suspend included. No function of ours: it is called a hundred
    # times a second while somebody talks.
    time = staticmethod(partial(time.clock_gettime, time.CLOCK_BOOTTIME))


class KernelClock:
    """A ``Clock`` over the kernel's clocks.

    Synchronised is what the kernel says (adjtimex(2) without STA_UNSYNC: ntpd,
    chrony, PTP daemons and timesyncd all tell it), or systemd-timesyncd's flag
    file, which is there a little earlier.

    ``monotonic`` counts suspended time too, for deadlines of the cloud's side
    (token life); ``BoottimeEventLoop`` has the same time.

    Args:
        require_sync: whether the kernel or the time service must say that the
            clock is synchronised; else any time after the release will do.
    """

    def __init__(self, require_sync: bool) -> None:
        self._require_sync = require_sync
        self._stepped = asyncio.Event()

    @property
    def synchronized(self) -> bool:
        if not self._require_sync:
            return self.now_ms() > RELEASED_MS
        return _kernel_is_synchronized() or _TIMESYNC_FLAG.exists()

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def notice_step(self) -> None:
        """Somebody set the clock: who waits for it looks at once."""
        self._stepped.set()

    async def wait_synchronized(self) -> None:
        while not self.synchronized:
            self._stepped.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stepped.wait(), _LOOK_EVERY_S)


class StepWatch:
    """Notices that the wall clock was set, or that the board woke from suspend.

    By a timer that the kernel cancels when somebody sets the clock (timerfd_create(2),
    TFD_TIMER_CANCEL_ON_SET): nothing polls, and being woken is also what lets the event
    loop see after a resume which of its timers are overdue. It watches from its making
    until ``close``, and needs a running event loop.

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
            self._fd = _call("timerfd_create", time.CLOCK_REALTIME, _TFD_FLAGS)
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


def _kernel_is_synchronized() -> bool:
    """Ask adjtimex(2), changing nothing: a zeroed ``modes`` sets nothing.

    Its return value tells all we need. ``struct timex`` differs between
    32-bit and 64-bit machines and C libraries, so it is only given room: no
    layout is longer than 208 bytes. A sandbox that forbids the call makes it
    return -1, which tells nothing, so the answer is no.
    """
    timex = ctypes.create_string_buffer(1024)
    state: int = ctypes.CDLL(None).adjtimex(timex)
    return 0 <= state < _TIME_ERROR


def _arm(fd: int) -> None:
    # struct itimerspec: interval and value, each seconds and nanoseconds; the
    # plain symbol takes the machine's long on 32-bit C libraries too.
    due = int(time.time()) + _FAR_S
    spec = (ctypes.c_long * 4)(0, 0, due, 0)
    _call("timerfd_settime", fd, _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET, spec, None)


def _was_cancelled(fd: int) -> bool:
    """Read the timer: it says ECANCELED once after each step."""
    try:
        os.read(fd, 8)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.ECANCELED):
            raise
        return error.errno == errno.ECANCELED
    return False


def _call(name: str, *arguments: object) -> int:
    """Call the C library, and raise what it says in errno."""
    result: int = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
