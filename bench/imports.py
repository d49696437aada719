"""What ``mmid run`` imports to be ready, by who wrote it: ``python -X importtime``.

The floor is the import of asyncio and ssl alone. The sums are of each module's
own time, so they add up to the whole; ``importtime`` itself makes every module
dearer than it is, in both columns. No goal: exec to READY has one.

    python -m bench.imports

prints the modules that cost most, one by one.
"""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator

from bench.figure import Effort, Figure
from tests.rig.processes import REPOSITORY

_DAEMON = "from mmid.cli.mmid import __main__ as mmid; mmid.import_daemon()"
_FLOOR = "import asyncio, ssl"
_GROUPS = ("mmid", "websockets", "dbus_next", "alsaaudio")
_LISTED = 40


def measure(effort: Effort) -> Iterator[Figure]:
    """Sum up in turns."""
    pairs = [(_own_times_ms(_DAEMON), _own_times_ms(_FLOOR)) for _ in range(effort.runs + 1)][1:]
    floors = [sum(floor.values()) for _, floor in pairs]
    for group in (*_GROUPS, "standard library"):
        times = [_by_group(daemon)[group] for daemon, _ in pairs]
        yield Figure(f"imports, {group}", "ms", times, "imports of asyncio and ssl", floors)


def _by_group(times: dict[str, float]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for module, own_ms in times.items():
        package = module.partition(".")[0]
        sums[package if package in _GROUPS else "standard library"] += own_ms
    return sums


def _own_times_ms(statement: str) -> dict[str, float]:
    """Return what each module took by itself, without what it imports."""
    environment = {name: value for name, value in os.environ.items() if "BYTECODE" not in name}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env=environment,
    )
    rows = [line.partition(":")[2].split("|") for line in done.stderr.splitlines()]
    return {row[2].strip(): int(row[0]) / 1000 for row in rows if row[0].strip().isdecimal()}


def main() -> None:
    """Print the list."""
    _own_times_ms(_DAEMON)
    times = _own_times_ms(_DAEMON)
    print(f"{sum(times.values()):7.2f} ms, {len(times)} modules; the first {_LISTED}:")
    for module, own_ms in sorted(times.items(), key=lambda item: -item[1])[:_LISTED]:
        print(f"{own_ms:7.2f} ms  {module}")


if __name__ == "__main__":
    main()
