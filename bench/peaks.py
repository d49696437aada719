"""What mmid has in memory at its most: the daemon, and the children and the tools beside it.

    python -m bench.peaks [--armhf]

A board starts for the first time, registers, talks, is given other settings, and is looked at by
each tool; then it starts once more. Of each phase that moment is told in which the PSS of the
daemon, of the tool and of all that both started was largest together. With ``--armhf`` mmid is
that of an armhf board (``bench.armhf``): of each process only that counts which the program
itself has mapped, and not its emulator. Nobody else runs its Python, so nothing is divided
with others; on this machine's own Python the sums are smaller than on a board.
"""

import argparse
import asyncio
import os
import re
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

from bench.armhf import machine
from bench.board import hear_out, speak
from tests.rig.board import Board, silence
from tests.rig.processes import EMULATED_START_S, Process, python

# Where qemu-user is told to put the program, whose addresses have 32 bits.
_GUEST = range(1 << 32, 2 << 32)
_REST_S = 0.005
_TURN_S, _MICROPHONE_S = 2.0, 60.0


class Watch:
    """Reads the memory of processes and of all that they started, again and again.

    Attributes:
        roots: the processes.
        most: phase -> the sizes at its worst moment, in MiB: for each of them its own first,
            then those of all that it started.
    """

    def __init__(self, *, emulated: bool) -> None:
        self._emulated = emulated
        self._phase = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.roots: list[int] = []
        self.most: dict[str, list[list[float]]] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def begin(self, phase: str, *roots: int) -> None:
        """What is seen from now on belongs to this phase; empty: to none."""
        self._phase, self.roots = "", list(roots)
        self._phase = phase

    def _look(self) -> None:
        while not self._over.wait(_REST_S):
            phase = self._phase
            sizes = [list(self._sizes(root, 0.0)) for root in self.roots]
            if phase and phase == self._phase and _sum(sizes) > _sum(self.most.get(phase, [])):
                self.most[phase] = sizes

    def _sizes(self, pid: int, parent_mib: float) -> Iterator[float]:
        """Yield the size of a process and of all that it started, in MiB."""
        size = _pss_mib(pid, emulated=self._emulated)
        # Before it becomes another program a new process lives in the memory of its parent.
        if size and abs(size - parent_mib) > parent_mib / 50:
            yield size
        for child in _children(pid):
            yield from self._sizes(child, size)


def _sum(sizes: list[list[float]]) -> float:
    return sum(map(sum, sizes))


def _pss_mib(pid: int, *, emulated: bool) -> float:
    """Return the PSS of a process; 0 if it has ended."""
    try:
        maps = Path(f"/proc/{pid}/smaps").read_text()
    except OSError:
        return 0.0
    found = re.findall(r"^([0-9a-f]+)-.*?^Pss: +(\d+)", maps, re.MULTILINE | re.DOTALL)
    counted = (int(kib) for start, kib in found if not emulated or int(start, 16) in _GUEST)
    return sum(counted) / 1024


def _children(pid: int) -> list[int]:
    """Return what a process has started; nothing if it has ended."""
    children: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text().split())
    return children


async def _live(made: Board, watch: Watch) -> None:
    """Take a board through all phases."""
    await made.start_cloud()
    await made.start_bus()
    daemon = (await made.start_mmid()).pid
    watch.begin("first start: the settings are judged", daemon)
    await _logged(made, "ready as")
    watch.begin("registration, token", daemon)
    await _logged(made, "event SpeechPrepare")
    listener = await made.listener()
    await listener.wait_for(".State", "listening")
    watch.begin("a turn", daemon)
    start = len(listener.heard)
    await speak(listener, _TURN_S)
    await hear_out(listener, start)
    watch.begin("reload after a change", daemon)
    file = made.directory / "mmid.toml"
    file.write_text(f"{file.read_text()}[dialog]\nvolume = 70\n")
    await _reload(made, daemon)
    watch.begin("reload, the settings judged before", daemon)
    await _reload(made, daemon)
    config = ("--config", file)
    bus = ("--bus", made.bus)
    await _use(made, watch, "mmid check", "check", *config)
    await _use(made, watch, "mmictl status", *bus, "status")
    await _use(made, watch, "mmictl doctor", *bus, "doctor", *config)
    bundle = (*bus, "support-bundle", *config)
    await _use(made, watch, "mmictl support-bundle", *bundle, made.directory / "1.tar.gz")
    file.write_text(file.read_text().replace("volume = 70", "volume = 71"))
    name = "mmictl support-bundle, the settings changed"
    await _use(made, watch, name, *bundle, made.directory / "2.tar.gz")
    watch.begin("")
    await made.stop("mmid")
    made.settings["dialog"] = {"volume": 71}
    daemon = (await made.start_mmid()).pid
    watch.begin("another start", daemon)
    await _logged(made, "ready as", times=2)
    watch.begin("")


async def _logged(made: Board, text: str, times: int = 1) -> None:
    async with asyncio.timeout(EMULATED_START_S):
        while made.log().count(text) < times:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.02)


async def _reload(made: Board, daemon: int) -> None:
    times = made.log().count("were read again")
    os.kill(daemon, signal.SIGHUP)
    await _logged(made, "were read again", times + 1)


async def _use(made: Board, watch: Watch, name: str, *arguments: str | Path) -> None:
    """Run a tool beside the daemon, whose whole command line these arguments are."""
    module = f"mmid.cli.{name.partition(' ')[0]}"
    command = python(module, *arguments, interpreter=made.interpreter)
    environment = {**made.environment, "ALSA_CONFIG_PATH": str(made.directory / "asound.conf")}
    tool = Process(command, made.directory / "tool.log", environment)
    await tool.start()
    watch.begin(name, made.process("mmid").pid, tool.pid)
    await tool.wait()
    watch.begin("")
    await tool.stop()


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="peaks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--armhf", action="store_true", help="mmid is that of an armhf board")
    armhf = parser.parse_args().armhf
    with tempfile.TemporaryDirectory(prefix="mmid-bench-") as folder:
        async with Board(Path(folder), microphone=silence(_MICROPHONE_S)) as made:
            made.settings = {"log": {"level": "debug"}, "storage": {"key": os.urandom(32).hex()}}
            made.environment = {"STATE_DIRECTORY": folder, "QEMU_GUEST_BASE": hex(_GUEST.start)}
            if armhf:
                made.interpreter = machine().interpreter
            with Watch(emulated=armhf) as watch:
                await _live(made, watch)
    for phase, sizes in watch.most.items():
        parts = "; ".join(" + ".join(f"{size:.1f}" for size in those) for those in sizes)
        print(f"{_sum(sizes):6.1f} MiB  {phase}: {parts}")


if __name__ == "__main__":
    asyncio.run(main())
