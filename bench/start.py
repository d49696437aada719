"""How long a start takes: from exec to READY=1, against a bare Python loop with TLS.

Warm page cache, bus and settings in place, no network needed: mmid is ready when
it owns its name on the bus and has read its record. The floor is the same
interpreter that imports asyncio and ssl, which mmid cannot do without, and says
READY=1 at once. All take turns, and all notify a socket as under systemd.

A start with a state directory, as the unit gives it, finds that the settings were
judged before; without one it judges them each time, as after a change. What judges
them is pydantic-settings: its import alone is the floor of such a start, and takes
between 2.4 and 3.6 times as long as the bare loop, whatever mmid does.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.board import board
from bench.figure import Effort, Figure
from tests.rig.processes import REPOSITORY, python

_PATIENCE_S = 30.0

# A tenth of a second each: the median of five moves by a tenth.
_STARTS = 15

# Says READY=1 when it has imported what judges the settings.
_IMPORT = """\
import pydantic_settings, os, socket
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
"""


def measure(effort: Effort) -> Iterator[Figure]:
    """Start them in turns."""
    judged, unchanged, bare, library = asyncio.run(_starts(effort.times(_STARTS)))
    floor = "exec to a bare asyncio and ssl loop"
    yield Figure("exec to READY, settings as before", "ms", unchanged, floor, bare, 2.4)
    changed = "exec to READY, settings changed"
    yield Figure(changed, "ms", judged, "exec to pydantic-settings imported", library, 1.15)
    yield Figure(changed, "ms", judged, floor, bare)


async def _starts(runs: int) -> tuple[list[float], list[float], list[float], list[float]]:
    judged: list[float] = []
    unchanged: list[float] = []
    bare: list[float] = []
    library: list[float] = []
    async with board() as (made, _):
        await made.stop("mmid")
        daemon = python("mmid.cli.mmid", "run", "--config", made.directory / "mmid.toml")
        loop = python("bench.bare_loop")
        judge = [sys.executable, "-c", _IMPORT]
        state = str(made.directory)
        for _ in range(runs + 1):
            for command, keeps, times in (
                (daemon, "", judged),
                (daemon, state, unchanged),
                (loop, "", bare),
                (judge, "", library),
            ):
                taken = await asyncio.to_thread(_ready_after_ms, command, made.directory, keeps)
                times.append(taken)
    # The first of each fills the page cache, and the state directory.
    return judged[1:], unchanged[1:], bare[1:], library[1:]


def _ready_after_ms(command: list[str], directory: Path, state: str) -> float:
    """Start a process, wait until it is ready, and end it."""
    address = str(directory / "notify.socket")
    Path(address).unlink(missing_ok=True)
    environment = {
        **os.environ,
        "NOTIFY_SOCKET": address,
        "STATE_DIRECTORY": state,
        "ALSA_CONFIG_PATH": str(directory / "asound.conf"),
    }
    # Compiled modules, as every package has them installed; the first start makes them.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(address)
        notify.settimeout(_PATIENCE_S)
        began = time.perf_counter()
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=REPOSITORY,
        ) as process:
            while b"READY=1" not in notify.recv(4096):
                pass
            taken_ms = (time.perf_counter() - began) * 1000
            process.terminate()
    return taken_ms
