"""The virtual machine test: ``make vm-test``.

Boots a plain Debian 13 with this checkout in it, runs the checks of
``tests.vm.plan`` on its kernel, pulls the plug while records are being saved,
boots again, and looks. Leaves in build/vm: results.json, the journal and the
console of each start.
"""

import argparse
import fcntl
import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.rig.processes import REPOSITORY
from tests.vm.image import Image, ready_image
from tests.vm.machine import Disk, Machine, Report
from tests.vm.output import say
from tests.vm.packages import install_host_packages
from tests.vm.plan import AFTER_CUT, FIRST, PLAN, UNTIL_CUT

_BUILD = REPOSITORY / "build" / "vm"

# For one start; a machine that does so little for so long hangs.
_LIMIT_S = 900.0

# Each store has saved so often when the plug is pulled.
_SAVES_BEFORE_CUT = 3
_LONGEST_AFTER_S = 1.5

_PARTITIONS = """\
label: gpt
name=kept, size=1MiB
name=flash, size=4MiB
name=small, size=64KiB
name=files, size=8MiB
name=journalled, size=1MiB
name=replayed, size=1MiB
name=log, size=16MiB
name=cut-block, size=1MiB
name=cut-flash, size=1MiB
"""


def main() -> int:
    """Run the test; return the exit status."""
    _BUILD.mkdir(parents=True, exist_ok=True)
    wanted = _wanted()
    with (_BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install_host_packages()
        image = ready_image(_BUILD)
        disks = [Disk("source", _pack_source()), Disk("flash", _make_flash(), kept=True)]
        results = _first(image, disks, wanted[FIRST], cut=bool(wanted[AFTER_CUT]))
        results += _after_cut(image, disks, wanted[AFTER_CUT], results)
    return _judge(results, [name for names in wanted.values() for name in names])


def _wanted() -> dict[str, list[str]]:
    """Return the checks to run, by start."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", help="only checks whose name holds TEXT")
    text = parser.parse_args().only or ""
    return {start: [name for name in names if text in name] for start, names in PLAN.items()}


def _pack_source() -> Path:
    """Pack what git knows, and what is new, as a disk that holds a tar file."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, check=True).stdout
    names = [name for name in listed.decode().split("\0") if (REPOSITORY / name).is_file()]
    packed = _BUILD / "source.tar"
    pack = ["tar", "-cf", str(packed), "-C", str(REPOSITORY), "--null", "-T", "-"]
    subprocess.run(pack, input="\0".join(names), text=True, check=True)
    return packed


def _make_flash() -> Path:
    """Make a blank disk with a partition table."""
    path = _BUILD / "flash.img"
    path.write_bytes(b"")
    with path.open("r+b") as disk:
        disk.truncate(40 * 1024 * 1024)
    command = ["/usr/sbin/sfdisk", "-q", str(path)]
    subprocess.run(command, input=_PARTITIONS, text=True, check=True)
    return path


def _first(image: Image, disks: list[Disk], checks: list[str], *, cut: bool) -> list[Report]:
    """Run the checks of the first start; then, perhaps, have it save until the plug is pulled."""
    acts = [*checks, UNTIL_CUT] if cut else checks
    return _run(image, disks, FIRST, [f"mmid.checks={','.join(acts)}"]) if acts else []


def _after_cut(
    image: Image, disks: list[Disk], checks: list[str], before: list[Report]
) -> list[Report]:
    """Run the checks of the start after the cut; they are told what was saved for sure."""
    saved = {one["store"]: one["number"] for one in before if one["kind"] == "saved"}
    if not checks or not saved:
        return []
    told = [f"mmid.saved-{store}={number}" for store, number in saved.items()]
    return _run(image, disks, AFTER_CUT, [f"mmid.checks={','.join(checks)}", *told])


def _run(image: Image, disks: list[Disk], start: str, arguments: list[str]) -> list[Report]:
    """Boot, and collect what is reported until the machine is off."""
    say(f"booting, {start}")
    began = time.monotonic()
    machine = Machine(image, disks, arguments, _BUILD / f"console-{start}.log", _LIMIT_S)
    results = []
    for report in machine.reports():
        results.append(report)
        _show(report, time.monotonic() - began)
        if report["kind"] == "journal":
            (_BUILD / f"journal-{start}.log").write_text(report.pop("text"))
        if report["kind"] == "saved" and _time_to_cut(results):
            moment_s = random.uniform(0, _LONGEST_AFTER_S)  # noqa: S311 - any moment will do
            threading.Timer(moment_s, machine.pull_the_plug).start()
    say(f"{start} took {time.monotonic() - began:.0f} s, QEMU's exit status is {machine.status}")
    return results


def _show(report: Report, now: float) -> None:
    if report["kind"] == "result":
        state, found = "ok" if report["good"] else "FAILED", report["found"].rstrip()
        say(f"{now:4.0f} s  {state:<6}  {report['check']} ({report['seconds']} s): {found}")


def _time_to_cut(results: list[Report]) -> bool:
    """Whether with this report the last of the stores has saved often enough."""
    numbers = {one["store"]: one["number"] for one in results if one["kind"] == "saved"}
    last = results[-1]
    all_save = len(numbers) == last["stores"]
    return bool(all_save and min(numbers.values()) == last["number"] == _SAVES_BEFORE_CUT)


def _judge(results: list[Report], wanted: list[str]) -> int:
    """Write results.json; return 0 if every wanted check is good."""
    found: dict[str, Report] = {
        name: {"check": name, "good": False, "found": "no result came"} for name in wanted
    }
    found |= {one["check"]: one for one in results if one["kind"] == "result"}
    (_BUILD / "results.json").write_text(json.dumps(list(found.values()), indent=1) + "\n")
    bad = [one for one in found.values() if not one["good"]]
    for one in bad:
        say(f"FAILED  {one['check']}: {one['found'].rstrip().splitlines()[-1]}")
    say(f"{'FAILED' if bad else 'OK'}, {len(found) - len(bad)} of {len(found)} checks")
    return 1 if bad or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
