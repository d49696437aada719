import asyncio
import ctypes
import time
from pathlib import Path

import pytest

from mmid import RELEASED_MS
from mmid.hal import Clock
from mmid.hal_linux.time import clock
from mmid.hal_linux.time.clock import KernelClock


@pytest.fixture
def unsynchronized(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A board whose kernel says no; returns the time service's flag file, absent."""
    flag = tmp_path / "synchronized"
    monkeypatch.setattr(clock, "_kernel_is_synchronized", lambda: False)
    monkeypatch.setattr(clock, "_TIMESYNC_FLAG", flag)
    return flag


def test_now_is_unix_milliseconds() -> None:
    before = time.time() * 1000
    assert before - 1 <= KernelClock(require_sync=False).now_ms() <= time.time() * 1000 + 1


def test_monotonic_counts_from_boot() -> None:
    kernel: Clock = KernelClock(require_sync=True)
    first = kernel.monotonic()
    boot = float(Path("/proc/uptime").read_text().split()[0])
    assert first <= boot + 0.02
    assert abs(boot - first) < 5


def test_the_kernel_is_asked_for_its_own_opinion() -> None:
    # The same question, and the structure that came back: status is its sixth word.
    timex = ctypes.create_string_buffer(1024)
    ctypes.CDLL(None).adjtimex(timex)
    status = ctypes.c_int.from_buffer(timex, 5 * ctypes.sizeof(ctypes.c_long)).value
    unsync, clock_error = 0x40, 0x1000
    assert clock._kernel_is_synchronized() == (not status & (unsync | clock_error))


def test_the_time_service_may_say_so_too(unsynchronized: Path) -> None:
    kernel = KernelClock(require_sync=True)
    assert not kernel.synchronized
    unsynchronized.touch()
    assert kernel.synchronized


@pytest.mark.usefixtures("unsynchronized")
@pytest.mark.parametrize(("late_ms", "trusted"), [(-1, False), (1, True)])
def test_without_sync_any_time_after_the_release_is_trusted(
    late_ms: int, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: (RELEASED_MS + late_ms) * 1_000_000)
    assert KernelClock(require_sync=False).synchronized is trusted


async def test_who_waits_hears_when_the_clock_is_set(
    unsynchronized: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "_LOOK_EVERY_S", 0.01)
    waiter = asyncio.ensure_future(KernelClock(require_sync=True).wait_synchronized())
    await asyncio.sleep(0.03)
    assert not waiter.done()
    asyncio.get_running_loop().call_soon(unsynchronized.touch)
    await asyncio.wait_for(waiter, 5)


async def test_who_waits_looks_at_once_when_the_clock_was_set(
    unsynchronized: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "_LOOK_EVERY_S", 3600)
    kernel = KernelClock(require_sync=True)
    waiter = asyncio.ensure_future(kernel.wait_synchronized())
    await asyncio.sleep(0)
    kernel.notice_step()  # set, but not synchronised yet
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiter.done()
    asyncio.get_running_loop().call_soon(unsynchronized.touch)
    asyncio.get_running_loop().call_soon(kernel.notice_step)
    await asyncio.wait_for(waiter, 5)
