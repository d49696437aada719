"""The image test: ``make image-test``.

Installs the Debian packages in build/deb on a Debian 13 that runs in QEMU, as an
OEM does, and tries on it what they promise, through two real boots. Beside it,
other machines register until their plug is pulled. Leaves in build/image-test:
results.json, journals and consoles; for another architecture than amd64 in a
directory beside, build/image-test-arm64.
"""

import argparse
import fcntl
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.image.board import HOOKS, KERNEL, PACKAGES
from tests.image.cuts import cut_registrations
from tests.image.plan import (
    CUTS,
    FIRST_BOOT,
    INSTALLED,
    NEEDED,
    ON_FLASH,
    SECOND_BOOT,
    STORES,
    WHEN_NAMED,
)
from tests.image.standby import standby
from tests.rig.processes import REPOSITORY
from tests.vm.architecture import AMD64, ARCHITECTURES, Architecture
from tests.vm.disk import make_disk
from tests.vm.example import compile_push_to_talk
from tests.vm.image import Image, ready_image
from tests.vm.machine import Machine, Report
from tests.vm.output import say
from tests.vm.packages import install_host_packages

_PACKAGES = REPOSITORY / "build" / "deb"

# A machine that does so little for so long hangs.
_LIMIT_S = 1500.0

# No battery keeps this board's clock.
_CLOCK_UNSET = ("-rtc", "base=2000-01-01T00:00:00")

_DISK_MIB = 16
_FLASH, _RECORD = {"flash": "1MiB"}, {"mmid": "1MiB"}


def main() -> int:
    """Run the test; return the exit status."""
    architecture, wanted = _arguments()
    build = REPOSITORY / "build" / f"image-test{architecture.build_suffix}"
    build.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with (build / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install_host_packages(architecture.emulator_package, "qemu-utils")
        image = ready_image(build, architecture, PACKAGES, HOOKS)
        state = standby(image, build)
        say(f"the board is there after {time.monotonic() - began:.0f} s")
        if not wanted:
            return 0
        reports = _Run(image, build, wanted).all(state)
    say(f"all of it took {time.monotonic() - began:.0f} s")
    return _judge(reports, build, wanted)


def _arguments() -> tuple[Architecture, list[str]]:
    """Return the board to run them on, and the checks; none, if it is only to be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.image", description=__doc__)
    parser.add_argument("--arch", choices=ARCHITECTURES, default=AMD64.name)
    parser.add_argument("--prepare", action="store_true", help="only make the board")
    parser.add_argument(
        "--only", nargs="+", metavar="TEXT", help="only checks whose name holds one of these"
    )
    arguments = parser.parse_args()
    architecture, texts = ARCHITECTURES[arguments.arch], arguments.only or [""]
    if arguments.prepare:
        return architecture, []
    left_out: frozenset[str] = frozenset() if arguments.only else WHEN_NAMED
    if not architecture.flash:
        left_out |= ON_FLASH
        say(f"Debian's kernel for {architecture.name} has no simulated flash to try mtd: and ubi:")
    wanted = [
        name
        for name in (*INSTALLED, *FIRST_BOOT, *SECOND_BOOT, CUTS, *STORES)
        if name not in left_out and (name in NEEDED or any(text in name for text in texts))
    ]
    return architecture, wanted


class _Run:
    """One run: the board's three starts, and the machines beside it.

    Args:
        image: what they boot.
        build: where disks, consoles and journals go.
        wanted: the checks to run.
    """

    def __init__(self, image: Image, build: Path, wanted: list[str]) -> None:
        self._image = image
        self._build = build
        self._wanted = wanted
        self._began = time.monotonic()
        self._root = build / "root.qcow2"
        self._reports: list[Report] = []

    def all(self, state: Path) -> list[Report]:
        """Go through all starts, the first one from a state; return all reports."""
        for pattern in ("journal-*", "console-*", "results.json"):
            for old in self._build.glob(pattern):
                old.unlink()
        shutil.copyfile(state.with_suffix(".root"), self._root)
        beside: list[Future[None]] = []
        with ThreadPoolExecutor(1) as pool:
            with self._machine("install", state=state) as machine:
                machine.send_source(_pack_source(self._image.architecture, self._build))
                self._checks(machine, "install", INSTALLED)
                if {CUTS, *STORES} & {*self._wanted}:
                    ready = machine.save(self._build / "ready.state")
                    beside.append(pool.submit(self._beside, ready))
                self._switch_off(machine)
            with self._machine("first-boot", options=_CLOCK_UNSET) as machine:
                self._checks(machine, "first-boot", FIRST_BOOT)
                self._switch_off(machine)
            with self._machine("second-boot") as machine:
                self._checks(machine, "second-boot", SECOND_BOOT)
                self._switch_off(machine)
            for future in beside:
                future.result()
        return self._reports

    def _beside(self, ready: Path) -> None:
        """Cut registrations, then try each store, on machines that go on from a state."""
        if CUTS in self._wanted:
            self._take(cut_registrations(self._image, ready, self._build))
        if {*STORES} & {*self._wanted}:
            root = self._build / "stores-root.qcow2"
            shutil.copyfile(ready.with_suffix(".root"), root)
            with self._machine("stores", state=ready, root=root) as machine:
                machine.plug("flash", make_disk(self._build / "flash.img", _DISK_MIB, _FLASH))
                self._order(machine, STORES)
                self._checks(machine, "stores", STORES)

    def _machine(
        self,
        start: str,
        *,
        state: Path | None = None,
        root: Path | None = None,
        options: tuple[str, ...] = (),
    ) -> Machine:
        return Machine(
            self._image,
            self._build / f"console-{start}.log",
            _LIMIT_S,
            state=state,
            root=root or self._root,
            kernel=KERNEL,
            options=options,
        )

    def _checks(self, machine: Machine, start: str, checks: tuple[str, ...]) -> None:
        """Have a start's checks run, as soon as the machine is up."""
        for report in machine.reports():
            self._take(report)
            if report["kind"] == "armed":
                self._order(machine, checks)
            elif report["kind"] == "plug":
                machine.plug("record", make_disk(self._build / "record.img", _DISK_MIB, _RECORD))
            elif report["kind"] == "journal":
                (self._build / f"journal-{start}.log").write_text(report["text"])
                return
        say(f"the machine went off in the middle of {start}")

    def _order(self, machine: Machine, checks: tuple[str, ...]) -> None:
        machine.order([name for name in checks if name in self._wanted])

    def _switch_off(self, machine: Machine) -> None:
        """Have it power off by itself, and see that it does."""
        machine.order([], off=True)
        for report in machine.reports():
            self._take(report)

    def _take(self, report: Report) -> None:
        """Keep a report, and say what came of a check."""
        self._reports.append(report)
        if report["kind"] == "result":
            now = time.monotonic() - self._began
            state, found = "ok" if report["good"] else "FAILED", report["found"].rstrip()
            say(f"{now:4.0f} s  {state:<6}  {report['check']} ({report['seconds']} s): {found}")


def _pack_source(architecture: Architecture, build: Path) -> Path:
    """Pack the tests, without mmid, and the packages: a disk that holds a tar file."""
    packages = sorted(path.name for path in _PACKAGES.glob("*.deb"))
    if not packages:
        sys.exit(f"image-test: there is no package in {_PACKAGES}; make deb builds them")
    packed = build / "source.tar"
    leave = ("--exclude=__pycache__", "--exclude=*.log")
    sources = ("-C", str(REPOSITORY), "tests", "demo", "docs")
    debs = ("-C", str(_PACKAGES), *packages)
    example = ("-C", str(build), compile_push_to_talk(architecture, build).name)
    subprocess.run(["tar", "-cf", str(packed), *leave, *sources, *debs, *example], check=True)
    return packed


def _judge(reports: list[Report], build: Path, wanted: list[str]) -> int:
    """Write results.json; return 0 if every wanted check is good."""
    found: dict[str, Report] = {
        name: {"check": name, "good": False, "found": "no result came"} for name in wanted
    }
    found |= {one["check"]: one for one in reports if one["kind"] == "result"}
    (build / "results.json").write_text(json.dumps(list(found.values()), indent=1) + "\n")
    bad = [one for one in found.values() if not one["good"]]
    for one in bad:
        say(f"FAILED  {one['check']}: {one['found'].rstrip().splitlines()[-1]}")
    say(f"{'FAILED' if bad else 'OK'}, {len(found) - len(bad)} of {len(found)} checks")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
