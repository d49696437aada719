"""Runs the checks of this start of the machine, one after the other, and reports each.

A check is a function that takes an empty directory and returns what it found
out, in a line. It fails by any exception.
"""

import asyncio
import importlib
import inspect
import signal
import subprocess
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from tests.vm.inside.channel import next_order, report

# By the machine's clock; the slowest takes a quarter of it.
_LIMIT_S = 120

_LOG_CHARACTERS = 3000


def main() -> None:
    """Wait until the host says what to run, and run it."""
    signal.signal(signal.SIGALRM, _too_long)
    report("armed")
    order = next_order()
    time.clock_settime(time.CLOCK_REALTIME, order["now"])  # the machine may have slept for days
    for name in order["checks"]:
        report("begin", check=name)
        started = time.monotonic()
        good, found = _run(name)
        seconds = round(time.monotonic() - started, 1)
        report("result", check=name, good=good, found=found, seconds=seconds)
    _send_journal()


def _send_journal() -> None:
    command = ["journalctl", "-b", "--no-pager", "-o", "short-monotonic"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    report("journal", text=done.stdout)


def _run(name: str) -> tuple[bool, str]:
    """Run one check; return whether it is good, and what it found or why it is not."""
    module, _, function = name.partition(".")
    place = Path(tempfile.mkdtemp(prefix=f"{module}-", dir="/run/mmid-vm"))
    signal.alarm(_LIMIT_S)
    try:
        check: Any = getattr(importlib.import_module(f"tests.vm.inside.{module}"), function)
        found = check(place)
        return True, asyncio.run(found) if inspect.iscoroutine(found) else found
    except Exception:  # noqa: BLE001 - the outer boundary: one failed check must not hide the rest
        return False, _logs(place) + traceback.format_exc()
    finally:
        signal.alarm(0)


def _logs(place: Path) -> str:
    """Return the ends of the logs of what the check started."""
    ends = [f"{path.name}: {path.read_text()[-_LOG_CHARACTERS:]}" for path in place.glob("*.log")]
    return "\n".join([*ends, ""])


def _too_long(signum: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"not done after {_LIMIT_S} s")


if __name__ == "__main__":
    main()
