"""The packages have become a service; a board is told who it is."""

import re
import time
from pathlib import Path

from tests.image.inside.cloud import add_cloud
from tests.image.inside.service import DEVICE_NAME, configure
from tests.image.inside.shell import run, status_of
from tests.image.inside.unit import UNIT, main_pid, show

# Tenths, as systemd-analyze wants it.
_MOST_EXPOSED = 15

_STOP_S = 2.0

_UNPROVISIONED = "not provisioned"
_CATALOGUE = "AppId, AppSecret or device name is missing"


def the_service_is_ready_and_says_what_it_lacks(place: Path) -> str:
    """A new board is no failure: the unit is up, and its status line and journal say what to do."""
    run("systemctl", "is-active", UNIT)
    run("systemctl", "is-enabled", UNIT)
    assert show("Type") == "notify"
    assert show("NRestarts") == "0"
    assert show("StatusText").startswith(_UNPROVISIONED), show("StatusText")
    explained = run("journalctl", "--unit", UNIT, "--catalog", "--no-pager")
    assert _CATALOGUE in explained, explained
    status, said = status_of("systemctl", "is-failed", "--quiet", "mmid*")
    assert status, said
    began, ready = (
        int(show(f"{moment}TimestampMonotonic")) for moment in ("InactiveExit", "ActiveEnter")
    )
    return f"ready after {(ready - began) / 1e6:.1f} s of this slow CPU: {show('StatusText')}"


def it_runs_as_its_own_user_in_a_sandbox(place: Path) -> str:
    """What the kernel knows of the process, and how exposed systemd thinks it is."""
    process = Path(f"/proc/{main_pid()}")
    owner = process.stat()
    wanted = [int(run("id", option, "mmid")) for option in ("-u", "-g")]
    assert [owner.st_uid, owner.st_gid] == wanted, owner
    lines = (line.partition(":") for line in (process / "status").read_text().splitlines())
    status = {name: value.strip() for name, _, value in lines}
    kernel = {name: status[name] for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
    nothing = "0" * 16
    expected = {"CapEff": nothing, "CapBnd": nothing, "NoNewPrivs": "1", "Seccomp": "2"}
    assert kernel == expected, kernel
    assert run("getent", "group", "audio").split(":")[2].strip() in status["Groups"].split()
    for space in ("mnt", "user"):
        theirs, ours = (path / "ns" / space for path in (process, Path("/proc/1")))
        assert theirs.readlink() != ours.readlink(), space
    assert re.search(r"^Max core file size +0 +0 ", (process / "limits").read_text(), re.MULTILINE)
    assert not run("systemd-analyze", "verify", "--man=no", UNIT)
    security = ("systemd-analyze", "security", "--no-pager", f"--threshold={_MOST_EXPOSED}", UNIT)
    return run(*security).strip().splitlines()[-1].removeprefix("→ ")


def told_who_it_is_it_waits_for_its_first_start(place: Path) -> str:
    """Settings and credentials are written; a cloud is there; it stops when it is told to."""
    began = time.monotonic()
    run("systemctl", "stop", UNIT)
    took = time.monotonic() - began
    assert took < _STOP_S, f"the stop took {took:.2f} s"
    assert show("Result") == "success", show("Result")
    configure(add_cloud())
    checked = run("mmid", "check")
    assert f"name {DEVICE_NAME}" in checked, checked
    return f"stopped in {took:.2f} s"
