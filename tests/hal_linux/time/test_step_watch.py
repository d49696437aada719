"""Steps of the clock, by the kernel's timer; a real step is made on a machine of its own."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from mmid.hal_linux.time import clock
from mmid.hal_linux.time.clock import StepWatch


def timers() -> list[str]:
    """Return what the kernel says about our timers on the wall clock."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            if "timerfd" in str(descriptor.readlink()):
                found.append(Path(f"/proc/self/fdinfo/{descriptor.name}").read_text())
        except FileNotFoundError:
            continue  # the directory that is being read
    return found


async def test_the_kernel_is_asked_to_tell_of_steps(caplog: pytest.LogCaptureFixture) -> None:
    before = len(timers())
    watch = StepWatch(lambda _: None)
    (timer,) = [one for one in timers() if "clockid: 0" in one]
    assert "settime flags: 03" in timer  # absolute, and cancelled when the clock is set
    watch.close()
    watch.close()
    assert len(timers()) == before
    assert caplog.records == []


async def test_a_step_is_told_with_its_length_and_the_next_one_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[float] = []
    offsets = iter([100.0, 3700.0, 3690.0])
    monkeypatch.setattr(clock, "_offset_s", lambda: next(offsets))
    watch = StepWatch(steps.append)

    def cancelled(_descriptor: int, _count: int) -> bytes:
        raise OSError(errno.ECANCELED, "what the kernel says of a timer that a step cancelled")

    with monkeypatch.context() as kernel:
        kernel.setattr(os, "read", cancelled)
        watch._ready()
        watch._ready()
    assert steps == [3600.0, -10.0]
    watch.close()


async def test_a_timer_that_just_ran_out_is_no_step_and_is_set_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran_out = asyncio.Event()
    read = clock._was_cancelled

    def noted(descriptor: int) -> bool:
        ran_out.set()
        monkeypatch.setattr(clock, "_FAR_S", 1000)
        return read(descriptor)

    monkeypatch.setattr(clock, "_FAR_S", 0)
    monkeypatch.setattr(clock, "_was_cancelled", noted)
    steps: list[float] = []
    watch = StepWatch(steps.append)
    await asyncio.wait_for(ran_out.wait(), 5)
    (timer,) = timers()
    watch.close()
    assert steps == []
    assert "it_value: (999," in timer or "it_value: (998," in timer


async def test_a_kernel_without_such_timers_is_told_and_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(clock, "_call", refuse)
    StepWatch(lambda _: None).close()
    assert "cannot be noticed here" in caplog.messages[0]
