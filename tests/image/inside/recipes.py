"""The recipes in the comments of mmid.service, each as a drop-in, all at once."""

import os
import re
from pathlib import Path

from tests.image.inside.cloud import facts
from tests.image.inside.service import drop_in
from tests.image.inside.shell import run
from tests.image.inside.unit import UNIT, main_pid, show
from tests.vm.inside.devices import loop_device

_UNIT_FILE = Path("/usr/lib/systemd/system") / UNIT
_ENCRYPTED = Path("/etc/credstore.encrypted/mmid.app_secret")
_RECORD = Path("/dev/mmid-record")
_DISK_BYTES = 8 * 1024 * 1024


def they_do_what_they_say(place: Path) -> str:
    """The service starts with them, and has what each is for."""
    disk = _make_what_they_name(place)
    comments = _UNIT_FILE.read_text().partition("# --- recipes ---")[2]
    recipes = re.findall(r"(?:^#   .*\n)+", comments, re.MULTILINE)
    drop_ins = "".join(recipes).replace("#   ", "")
    # The one for a small board is measured on 32 bits; this board's words are twice as long.
    with drop_in(drop_ins.replace("MemoryMax=46M", "MemoryMax=92M")):
        process = Path(f"/proc/{main_pid()}")
        status = (process / "status").read_text()
        groups = re.findall(r"^Groups:(.*)$", status, re.MULTILINE)[0].split()
        environment = (process / "environ").read_bytes().decode().split("\0")
        credential = Path("/run/credentials") / UNIT / "app_secret"
        found = {
            "partition": (process / "root" / _RECORD.relative_to("/")).exists(),
            "secret": credential.read_text() == _encrypted(),
            "group": run("getent", "group", "sound").split(":")[2] in groups,
            "priority": os.sched_getscheduler(int(process.name)) == os.SCHED_RR,
            "namespace": (process / "ns/user").readlink() == Path("/proc/1/ns/user").readlink(),
            "memory": show("MemoryMax") == str(92 << 20) and show("OOMPolicy") == "continue",
            "proxy": "https_proxy=http://proxy.example:3128" in environment,
            "reboot": show("StartLimitAction") == "reboot",
        }
    # Else the next start would find them, and take what is encrypted for the secret itself.
    _ENCRYPTED.unlink()
    run("partx", "--delete", disk)
    run("losetup", "--detach", disk)
    run("udevadm", "settle")
    assert all(found.values()), found
    assert len(found) == len(recipes), recipes
    return f"{', '.join(found)}: all as they say"


def _make_what_they_name(place: Path) -> str:
    """A partition of the name mmid on a disk, a secret encrypted for this board, a group."""
    disk = loop_device(place / "disk.img", _DISK_BYTES)
    run("sgdisk", "--new=0:0:+128K", "--change-name=0:mmid", disk)
    run("partx", "--update", disk)
    run("udevadm", "wait", "--timeout=50", str(_RECORD))
    run("groupadd", "--system", "--force", "sound")
    _ENCRYPTED.parent.mkdir(mode=0o700, exist_ok=True)
    (place / "app_secret").write_text(_encrypted())
    run("systemd-creds", "encrypt", "--name=app_secret", f"{place}/app_secret", str(_ENCRYPTED))
    return disk


def _encrypted() -> str:
    """Another content than the plain file has, so that one sees which of them mmid was given."""
    return f"{facts()['app_secret']}\n"
