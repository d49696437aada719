"""An event loop whose timers count the time that the board was suspended.

asyncio's own loop runs on CLOCK_MONOTONIC, which stands still during suspend:
a heartbeat due in 40 s would be sent 40 s after the resume, to a cloud that
hung up long ago. On CLOCK_BOOTTIME it is due at once. The loop learns of the
resume from ``clock_step``, whose timer wakes it.
"""

import asyncio
import time

__all__ = ["BoottimeEventLoop"]


class BoottimeEventLoop(asyncio.SelectorEventLoop):
    """The ordinary event loop, on CLOCK_BOOTTIME; for ``asyncio.Runner(loop_factory=...)``."""

    def time(self) -> float:
        """Return seconds since boot, suspend included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
