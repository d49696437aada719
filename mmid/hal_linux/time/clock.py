"""The board's time: can it be trusted to sign with? And a loop that counts suspended time."""

import asyncio
import ctypes
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from mmid import RELEASED_MS

# adjtimex(2): what it returns while STA_UNSYNC is set.
_TIME_ERROR = 5

# systemd-timesyncd touches it when it has set the clock (systemd-timesyncd.service(8)).
_TIMESYNC_FLAG = Path("/run/systemd/timesync/synchronized")

# How often a clock that is not set yet is looked at, only while somebody waits:
# a clock that is slewed into place is not set, so nothing tells us.
_LOOK_EVERY_S = 0.25


class BoottimeEventLoop(asyncio.SelectorEventLoop):
    """The ordinary event loop, on CLOCK_BOOTTIME; for ``asyncio.Runner(loop_factory=...)``.

    asyncio's own runs on CLOCK_MONOTONIC, which stands still during suspend: a
    heartbeat due in 40 s would be sent 40 s after the resume, to a cloud that hung
    up long ago. Here it is due at once. The loop learns of the resume from
    ``clock_step``, whose timer wakes it.
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
