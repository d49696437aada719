"""Timers that go on while the board is suspended."""

import asyncio
import time
from collections.abc import Callable

import pytest

from mmid.hal_linux.time.clock import BoottimeEventLoop

AMPLE_S = 10.0


class Boottime:
    """The loop's clock with a suspend that a test makes."""

    def __init__(self, read: Callable[[], float]) -> None:
        self.suspended_s = 0.0
        self._read = read

    def time(self) -> float:
        return self._read() + self.suspended_s


@pytest.fixture
def boottime(monkeypatch: pytest.MonkeyPatch) -> Boottime:
    clock = Boottime(BoottimeEventLoop.time)
    monkeypatch.setattr(BoottimeEventLoop, "time", staticmethod(clock.time))
    return clock


def test_its_time_is_the_kernels_time_since_boot() -> None:
    loop = BoottimeEventLoop()
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= loop.time() <= time.clock_gettime(time.CLOCK_BOOTTIME)
    loop.close()


def test_after_a_suspend_what_is_overdue_happens_once_the_loop_is_woken(boottime: Boottime) -> None:
    async def sleep_through() -> list[str]:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        said: list[str] = []
        loop.call_later(3600, said.append, "an hour")
        loop.call_later(3600, done.set)
        loop.call_later(7200, said.append, "two hours")
        boottime.suspended_s = 3601.0
        loop.call_soon(said.append, "woken")  # as the timer of StepWatch does
        await asyncio.wait_for(done.wait(), AMPLE_S)
        return said

    with asyncio.Runner(loop_factory=BoottimeEventLoop) as runner:
        assert runner.run(sleep_through()) == ["woken", "an hour"]
