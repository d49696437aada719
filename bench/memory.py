"""Where the memory goes: what each part adds, private to the process.

A fresh Python imports the parts one after the other and reads what it has then;
the last part is what ``mmid run`` has beyond that while it is connected and nobody
talks: TLS, the connections, what the start left. The baseline of each part is the
whole, so its ratio is its share; there is no goal, ``idle`` has one.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator

from bench.board import board
from bench.figure import Effort, Figure
from bench.process import memory
from tests.rig.processes import REPOSITORY

# In this order, for a part has only what those before it do not have.
_PARTS = {
    "Python": "pass",
    "asyncio and ssl": "import asyncio, ssl",
    "websockets": "import websockets.asyncio.client",
    "dbus-next": "import dbus_next.message, dbus_next._private.unmarshaller",
    "pyalsaaudio and ALSA": "import alsaaudio",
    "mmid": "import mmid.service.daemon",
}
_REST = "connections, and what the start left"

# As ``mmid run`` does, it puts off what websockets imports and hardly uses.
_PROGRAM = """\
from mmid.deferred_imports import defer_import
defer_import("importlib.metadata")
defer_import("urllib.request")
import os
defer_import("platform", system=lambda: os.uname().sysname)
def private_mib():
    with open("/proc/self/smaps_rollup") as rollup:
        return int(rollup.read().partition("Private_Dirty:")[2].split()[0]) / 1024
"""

_SETTLE_S = 1.5


def measure(effort: Effort) -> Iterator[Figure]:
    """Take each part as often as asked for."""
    runs = [asyncio.run(_parts(effort)) for _ in range(effort.runs)]
    wholes = [sum(run.values()) for run in runs]
    for name in runs[0]:
        parts = [run[name] for run in runs]
        yield Figure(f"memory, {name}", "MiB", parts, "all that is private", wholes)


async def _parts(effort: Effort) -> dict[str, float]:
    """Return what each part adds, MiB; a part may free what one before it had."""
    parts = _imported()
    async with board() as (made, _):
        await asyncio.sleep(effort.seconds(_SETTLE_S))
        whole = memory(made.process("mmid").pid).private_dirty
    return {**parts, _REST: max(0.0, whole - sum(parts.values()))}


def _imported() -> dict[str, float]:
    program = _PROGRAM + "had = [0.0]\n"
    for statement in _PARTS.values():
        program += f"{statement}\nhad.append(private_mib())\n"
    program += "print(had)\n"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    had = json.loads(done.stdout)
    return {name: had[place + 1] - had[place] for place, name in enumerate(_PARTS)}
