"""The board test: ``make board-test``.

Debian 13 for armhf with the packages of ``make deb``, on an emulated board with one Cortex-A7, as
much RAM for programs as one of 64 MiB has, and no swap. The clouds are on this machine. Leaves in
build/board-test: results.json, the board's console with its journal, and simcloud's log.
"""

import argparse
import asyncio
import fcntl
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.board.plan import judged, phases, scenario
from tests.board.root import ready_root
from tests.rig.board import PROTOCOLS, Tables, cloud_tables, to_toml
from tests.rig.examples import EXAMPLES
from tests.rig.processes import REPOSITORY, Process, python
from tests.vm.architecture import ARMHF
from tests.vm.example import compile_for
from tests.vm.machine import Report
from tests.vm.output import say
from tests.vm.packages import install_host_packages

_HERE = Path(__file__).parent
_BUILD = REPOSITORY / "build" / "board-test"
_RUN = _BUILD / "run"

# A vendor's kernel on an RV1103 keeps 7.3 of its 64 MiB ("7444K reserved" in the boot log) and
# leaves 56.9 to all else. Debian's has every board's drivers built in and keeps 21: of 78 MiB it
# leaves as much.
_MEMORY_MIB = 78

# A board that does so little for so long hangs.
_LIMIT_S = 5400.0

# Names are simcloud's machine's as the board sees it; both ends of the card's cable are inside.
_BOARD: Tables = {
    "clock": {"require_sync": False},
    "audio": {
        "capture_device": "plughw:Loopback,0,0",
        "playback_device": "plughw:Loopback,0,1",
    },
}
_DUPLEX: Tables = {
    "dialog": {"work_mode": "duplex"},
    "audio": {**_BOARD["audio"], "echo_canceller": "speex"},
}


async def main() -> int:
    """Run the test; return the exit status."""
    options = _options()
    plan = phases(options.clouds, options.dialogs)
    _BUILD.mkdir(parents=True, exist_ok=True)
    with (_BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install_host_packages(ARMHF.emulator_package, "qemu-utils", "cpio", "xz-utils")
        root = ready_root(_BUILD)
        shutil.rmtree(_RUN, ignore_errors=True)
        _RUN.mkdir()
        (_RUN / "scenario.toml").write_text(scenario(options.dialogs))
        cloud = Process(
            python(
                "mmid.simcloud.main",
                *("--cert-dir", _RUN / "cloud", "--name", "simcloud"),
                *("--scenario", _RUN / "scenario.toml"),
            ),
            _RUN / "simcloud.log",
        )
        await cloud.start()
        try:
            disk = _pack(json.loads(await cloud.first_line()), plan, options.clouds[0])
            reports = await asyncio.to_thread(_boot, root, disk, options.memory)
        finally:
            await cloud.stop()
    return _judge(reports, plan)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.board", description=__doc__)
    parser.add_argument("--memory", type=int, default=_MEMORY_MIB, metavar="MIB")
    parser.add_argument("--dialogs", type=int, default=100, help="over each cloud")
    parser.add_argument("--clouds", nargs="+", choices=PROTOCOLS, default=PROTOCOLS)
    return parser.parse_args()


def _pack(line: Mapping[str, str], plan: Mapping[str, str], first: str) -> Path:
    """Return a disk that is a tar file: what the board needs for this run."""
    inside = _RUN / "inside"
    inside.mkdir()
    shutil.copy(line["ca_file"], inside / "ca.pem")
    shutil.copy(_HERE / "inside.sh", inside)
    sources = (_HERE / "phase.c", _HERE / "dialogs.c", EXAMPLES / "lamp_tool.c")
    for program in compile_for(ARMHF, _BUILD, *sources):
        shutil.copy(program, inside)
    there = {**line, "ca_file": "/etc/mmid/ca.pem"}
    for protocol in PROTOCOLS:
        tables = cloud_tables(protocol, there) | _BOARD
        (inside / f"{protocol}.toml").write_text(to_toml(tables))
    duplex = cloud_tables(PROTOCOLS[0], there) | _BOARD | _DUPLEX
    (inside / "duplex.toml").write_text(to_toml(duplex))
    (inside / "plan").write_text("".join(f"{name}|{does}\n" for name, does in plan.items()))
    (inside / "facts").write_text(f"FIRST={first}\n")
    disk = _RUN / "disk.tar"
    subprocess.run(["tar", "-cf", disk, "--owner=0", "-C", inside, "."], check=True)
    return disk


def _boot(root: Path, disk: Path, memory_mib: int) -> list[Report]:
    """Start the board; return what it has reported when it is off."""
    changes, reports = _RUN / "root.qcow2", _RUN / "reports"
    over = ("-b", str(root / "root.img"), "-F", "raw", str(changes))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *over], check=True)
    command = [
        *(ARMHF.emulator, *ARMHF.hardware, "-accel", "tcg,tb-size=128"),
        *("-smp", "1", "-m", str(memory_mib), "-nodefaults", "-no-user-config", "-no-reboot"),
        *("-display", "none", "-serial", f"file:{_BUILD / 'console.log'}"),
        *("-kernel", str(root / "vmlinuz"), "-initrd", str(root / "initrd")),
        *("-append", "rw console=ttyAMA0 quiet panic=1 cma=0 systemd.show_status=0"),
        *("-drive", f"if=none,id=root,file={changes},format=qcow2,cache=unsafe"),
        *("-device", "virtio-blk-device,drive=root"),
        *("-drive", f"if=none,id=run,file={disk},format=raw,readonly=on"),
        *("-device", "virtio-blk-device,drive=run"),
        # What the board sends to this address goes to the file.
        *("-chardev", f"file,id=reports,path={reports}"),
        *("-netdev", "user,id=net,guestfwd=tcp:10.0.2.100:1-chardev:reports"),
        *("-device", "virtio-net-device,netdev=net"),
    ]
    began, seen = time.monotonic(), 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as board:
        try:
            while board.poll() is None and time.monotonic() - began < _LIMIT_S:
                time.sleep(0.5)
                told = _read(reports)
                for report in told[seen:]:
                    _show(report, began)
                seen = len(told)
        finally:
            board.kill()
    return _read(reports)


def _read(reports: Path) -> list[Report]:
    """Return all whole lines."""
    if not reports.exists():  # the board is not switched on yet
        return []
    lines = reports.read_text(errors="replace").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n") and line.strip()]


def _show(report: Report, began: float) -> None:
    """Say what came of a phase."""
    state = "ok" if report["good"] else "FAILED"
    pss = ", ".join(f"{name} {kib}" for name, kib in report["pss_kib"].items())
    say(
        f"{time.monotonic() - began:5.0f} s  {state:<6}  {report['phase']} "
        f"({report['seconds']} s): {report['told']} PSS KiB: {pss}; "
        f"peak {report['memory_peak_kib']}, least available {report['least_available_kib']} "
        f"of {report['total_kib']}, "
        f"{report['oom_kills']} out of memory"
    )


def _judge(reports: list[Report], plan: Mapping[str, str]) -> int:
    """Write results.json; return 0 if each phase of the plan is good."""
    results = judged(plan, reports)
    (_BUILD / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    bad = [one for one in results if not one["good"]]
    for one in bad:
        say(f"FAILED  {one['phase']}: {one['told']}")
    say(f"{'FAILED' if bad else 'OK'}, {len(results) - len(bad)} of {len(results)} phases")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
