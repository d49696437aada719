"""An event loop whose timers count the time that the board was suspended.

asyncio's own loop runs on CLOCK_MONOTONIC, which stands still during suspend:
a heartbeat due in 40 s would be sent 40 s after the resume, to a cloud that
hung up long ago. On CLOCK_BOOTTIME it is due at once. The loop learns of the
resume from ``clock_step``, whose timer wakes it.
"""

import asyncio
from functools import partial
from time import CLOCK_BOOTTIME, clock_gettime

__all__ = ["BoottimeEventLoop"]


class BoottimeEventLoop(asyncio.SelectorEventLoop):
    """The ordinary event loop, on CLOCK_BOOTTIME; for ``asyncio.Runner(loop_factory=...)``."""

    # Seconds since boot, suspend included. No function of ours: it is called a hundred
    # times a second while somebody talks.
    time = staticmethod(partial(clock_gettime, CLOCK_BOOTTIME))
