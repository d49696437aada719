"""The device record on each kind of store, through the unit and its own recipe."""

import re
from pathlib import Path

from tests.image.inside.access import MEMBER, add_users
from tests.image.inside.cloud import journal
from tests.image.inside.service import listening, record
from tests.image.inside.shell import run, status_of, until
from tests.image.inside.true_time import set_clock
from tests.image.inside.unit import UNIT, show
from tests.vm.inside.channel import report
from tests.vm.inside.devices import block2mtd, nand, ubi_detached, ubi_volume

RECORD = Path("/dev/mmid-record")

# What the recipe leaves open is told at each start: systemd need not read all units anew.
_DROP_IN = Path("/run/systemd/system/mmid.service.d/recipe.conf")
_CHOICE = Path("/run/image-test/recipe.env")
# How long systemd waits for the device, whose name it writes thus: not its own 90 s.
_PATIENCE = Path(r"/run/systemd/system/dev-mmid\x2drecord.device.d/patience.conf")
_WAITS_S = 5

_UNIT_FILE = Path("/usr/lib/systemd/system") / UNIT
# The first block of settings after its heading.
_RECIPE = re.compile(
    r"^# The device record on a partition of its own\..*\n(?:# .*\n)*?((?:#   .*\n)+)", re.MULTILINE
)


async def nor_flash_by_its_name(place: Path) -> str:
    """``mtd:`` on block2mtd, an MTD partition that is named mmid."""
    run("flash_erase", block2mtd("flash", "mmid"), "0", "0")
    found = await _keeps("mtd")
    run("modprobe", "-r", "block2mtd")
    return found


async def nand_flash_by_its_volume(place: Path) -> str:
    """``ubi:`` on nandsim, a UBI volume that is named mmid."""
    flash = nand()
    ubi_volume(flash, "mmid")
    found = await _keeps("ubi")
    ubi_detached(flash)
    run("modprobe", "-r", "nandsim")
    return found


async def block_partition_by_its_label(place: Path) -> str:
    """``block:`` on a GPT partition that is named mmid; the disk is plugged in only later."""
    choose("block", "image-block")
    set_clock()
    status, said = status_of("systemctl", "start", UNIT)
    assert status, said
    told = run("journalctl", "--unit", UNIT, "--boot", "--no-pager")
    assert f"block:{RECORD} cannot be read: No such file or directory" in told, told
    report("plug")
    took = until("it is started again", lambda: show("ActiveState") == "active")
    return f"{await _keeps('block')}; ready {took:.1f} s after it was plugged in"


def is_for_the_daemon_alone(device: Path) -> None:
    """Who may call mmid on the bus can neither read nor write the record's secrets."""
    add_users()
    facts = (device.owner(), device.group(), device.stat().st_mode & 0o777)
    assert facts == ("mmid", "root", 0o600), (device, facts)
    for direction in ("<", ">"):
        status, said = status_of("sh", "-c", f": {direction} {device}", user=MEMBER)
        assert status, (direction, said)
        assert "Permission denied" in said, said


def follow_recipe() -> None:
    """Do what the unit's comments say, up to the next boot; ``choose`` must come before a start."""
    found = _RECIPE.search(_UNIT_FILE.read_text())
    assert found, f"the recipe is not in {_UNIT_FILE}"
    _DROP_IN.parent.mkdir(parents=True)
    _DROP_IN.write_text(f"{found[1].replace('#   ', '')}EnvironmentFile={_CHOICE}\n")
    _PATIENCE.parent.mkdir(parents=True)
    _PATIENCE.write_text(f"[Unit]\nJobRunningTimeoutSec={_WAITS_S}s\n")
    run("systemctl", "daemon-reload")
    assert str(_DROP_IN) in show("DropInPaths").split(), show("DropInPaths")


def choose(kind: str, device_name: str) -> None:
    """Say which kind of store the record is on, and which device this is."""
    target = f"MMID_STORAGE__TARGET={kind}:{RECORD}\n"
    _CHOICE.write_text(f"{target}MMID_LICENSE__DEVICE_NAME={device_name}\n")


async def _keeps(kind: str) -> str:
    """Register with the record there, start once more without; return what is in it."""
    until("udev has named it", RECORD.exists)
    device_name = f"image-{kind}"
    is_for_the_daemon_alone(RECORD.resolve())
    choose(kind, device_name)
    set_clock()
    for _ in ("registers", "knows"):
        async with listening() as listener:
            await listener.wait_for(".State", "listening")
        run("systemctl", "stop", UNIT)
    names = [one["device_name"] for one in journal("register")]
    assert names.count(device_name) == 1, names
    told = record(f"{kind}:{RECORD}")
    states = [copy["state"] for copy in told["copies"]]
    assert told["record"]["registered"], told
    assert told["record"]["device_name"] == device_name, told
    assert states == ["valid", "valid"], told
    return f"{RECORD} is {RECORD.resolve()}: registered once, both copies are valid"
