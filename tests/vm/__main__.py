"""The virtual machine test: ``make vm-test``.

Boots a plain Debian 13 with this checkout in it and runs the checks of
``tests.vm.plan`` on its kernel. Beside it, other machines save records until
their plug is pulled. Leaves in build/vm: results.json, journal and consoles.
"""

import argparse
import fcntl
import json
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.hal_linux.storage.simulated_cuts import KINDS, cuts_of_kind
from tests.rig.processes import REPOSITORY
from tests.vm.architecture import AMD64
from tests.vm.disk import make_disk
from tests.vm.example import compile_push_to_talk
from tests.vm.image import Image, ready_image
from tests.vm.machine import Machine, Report
from tests.vm.output import say
from tests.vm.packages import GUEST, install_host_packages
from tests.vm.plan import INSIDE, PLUGS, SIMULATED
from tests.vm.plugs import pull_plugs
from tests.vm.standby import standby

_BUILD = REPOSITORY / "build" / "vm"

# A machine that does so little for so long hangs.
_LIMIT_S = 2400.0

# A registration is lost once and for ever: what keeps it is tried this often at least.
_LEAST_CUTS = 2000

_DISK_MIB = 40
_PARTITIONS = {
    "kept": "1MiB",
    "flash": "4MiB",
    "small": "64KiB",
    "files": "8MiB",
    "journalled": "1MiB",
    "replayed": "1MiB",
    "log": "16MiB",
}


def main() -> int:
    """Run the test; return the exit status."""
    _BUILD.mkdir(parents=True, exist_ok=True)
    wanted = _wanted()
    began = time.monotonic()
    with (_BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install_host_packages(AMD64.emulator_package)
        image = ready_image(_BUILD, AMD64, GUEST)
        reports = _run(image, standby(image, _BUILD), wanted)
    say(f"all of it took {time.monotonic() - began:.0f} s")
    return _judge(reports, wanted)


def _wanted() -> list[str]:
    """Return the checks to run."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", help="only checks whose name holds TEXT")
    text = parser.parse_args().only or ""
    return [name for name in (*INSIDE, PLUGS, SIMULATED) if text in name]


def _pack_source() -> Path:
    """Pack what git knows, and what is new, as a disk that holds a tar file."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, check=True).stdout
    names = [name for name in listed.decode().split("\0") if (REPOSITORY / name).is_file()]
    names.append(str(compile_push_to_talk(AMD64, _BUILD).relative_to(REPOSITORY)))
    packed = _BUILD / "source.tar"
    pack = ["tar", "-cf", str(packed), "-C", str(REPOSITORY), "--null", "-T", "-"]
    subprocess.run(pack, input="\0".join(names), text=True, check=True)
    return packed


def _run(image: Image, state: Path, wanted: list[str]) -> list[Report]:
    """Run the checks inside, and beside them those of the host; return all reports."""
    reports: list[Report] = []
    beside: list[Future[list[Report]]] = []
    began = time.monotonic()
    with (
        ThreadPoolExecutor(1) as pool,
        Machine(image, _BUILD / "console.log", _LIMIT_S, state=state) as machine,
    ):
        machine.send_source(_pack_source())
        for report in machine.reports():
            reports.append(report)
            _show(report, began)
            if report["kind"] == "armed":
                if PLUGS in wanted:
                    armed = machine.save(_BUILD / "armed.state")
                    beside.append(pool.submit(pull_plugs, image, armed, _BUILD))
                if SIMULATED in wanted:
                    beside.append(pool.submit(_simulate_cuts))
                machine.plug("flash", make_disk(_BUILD / "flash.img", _DISK_MIB, _PARTITIONS))
                machine.order([name for name in wanted if name in INSIDE])
            elif report["kind"] == "journal":
                (_BUILD / "journal.log").write_text(report["text"])
        for future in beside:
            result, cuts = future.result()
            _show(result, began)
            reports += [result, cuts]
    (_BUILD / "armed.state").unlink(missing_ok=True)
    return reports


def _simulate_cuts() -> list[Report]:
    """Cut the power on media in memory, at every byte."""
    began = time.monotonic()
    number = sum(cuts_of_kind(kind) for kind in KINDS.values())  # a lost record is an exception
    seconds = round(time.monotonic() - began, 1)
    result = {"kind": "result", "check": SIMULATED, "good": True, "seconds": seconds}
    return [result | {"found": f"{number} cuts, none lost"}, {"kind": "cuts", "number": number}]


def _show(report: Report, began: float) -> None:
    """Say what came of a check."""
    if report["kind"] == "result":
        now = time.monotonic() - began
        state, found = "ok" if report["good"] else "FAILED", report["found"].rstrip()
        say(f"{now:4.0f} s  {state:<6}  {report['check']} ({report['seconds']} s): {found}")


def _judge(reports: list[Report], wanted: list[str]) -> int:
    """Write results.json; return 0 if every wanted check is good."""
    found: dict[str, Report] = {
        name: {"check": name, "good": False, "found": "no result came"} for name in wanted
    }
    found |= {one["check"]: one for one in reports if one["kind"] == "result"}
    (_BUILD / "results.json").write_text(json.dumps(list(found.values()), indent=1) + "\n")
    bad = [one for one in found.values() if not one["good"]]
    for one in bad:
        say(f"FAILED  {one['check']}: {one['found'].rstrip().splitlines()[-1]}")
    cuts = sum(one["number"] for one in reports if one["kind"] == "cuts")
    say(f"{cuts} power cuts, killed, replayed, pulled and simulated")
    few = len(wanted) == len((*INSIDE, PLUGS, SIMULATED)) and cuts < _LEAST_CUTS
    if few:
        say(f"FAILED  that is less than {_LEAST_CUTS}")
    say(f"{'FAILED' if bad or few else 'OK'}, {len(found) - len(bad)} of {len(found)} checks")
    return 1 if bad or few or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
