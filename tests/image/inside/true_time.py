"""The time of day on a board whose clock does not know it: the host tells it with each order."""

import time

from tests.image.inside.shell import run
from tests.vm.inside.kernel_time import mark

_told = (0.0, 0.0)


def learn(unix_s: float) -> None:
    """Take the time of day, in Unix seconds, that it is at this moment."""
    global _told  # noqa: PLW0603 - a board has one time
    _told = (unix_s, time.monotonic())


def now() -> float:
    """Return the time of day, in Unix seconds, whatever the clock shows."""
    unix_s, at = _told
    return unix_s + time.monotonic() - at


def set_clock() -> None:
    """Do what a time service does: set the clock, and tell the kernel that it is right."""
    run("date", "--set", f"@{now():.3f}")
    mark(synchronized=True)
