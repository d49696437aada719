"""Runs checks inside the machine, one after the other, and reports each.

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
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from tests.vm.inside.channel import report

# By the machine's clock; the slowest takes a quarter of it.
_LIMIT_S = 120

_LOG_CHARACTERS = 3000


def run_checks(names: Sequence[str], package: str, places: Path) -> None:
    """Run checks and report what came of them.

    Args:
        names: ``module.function`` each.
        package: the package of these modules.
        places: where the empty directories are made.
    """
    signal.signal(signal.SIGALRM, _too_long)
    for name in names:
        report("begin", check=name)
        started = time.monotonic()
        good, found = _run(name, package, places)
        seconds = round(time.monotonic() - started, 1)
        report("result", check=name, good=good, found=found, seconds=seconds)


def send_journal() -> None:
    """Hand the journal of this boot over."""
    command = ["journalctl", "-b", "--no-pager", "-o", "short-monotonic"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    report("journal", text=done.stdout)


def _run(name: str, package: str, places: Path) -> tuple[bool, str]:
    """Run one check; return whether it is good, and what it found or why it is not."""
    module, _, function = name.partition(".")
    place = Path(tempfile.mkdtemp(prefix=f"{module}-", dir=places))
    signal.alarm(_LIMIT_S)
    try:
        check: Any = getattr(importlib.import_module(f"{package}.{module}"), function)
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
