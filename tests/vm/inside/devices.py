"""The flash of this machine: drivers of the kernel over memory, and partitions of a disk.

Each function makes its device at the first call in a start of the machine.
"""

import os
import subprocess
from pathlib import Path

# Pages of 2 KiB in blocks of 128 KiB. The parts are counted in blocks, and so are the bad ones.
_NAND_ID = "0x20,0xaa,0x00,0x15"
_NAND_PARTS = ("parts=64,64", "badblocks=64,96")
_NOR_NAME = "mtdram test device"

# Each text that is written makes one more flash.
_BLOCK2MTD = Path("/sys/module/block2mtd/parameters/block2mtd")


def run(*command: str) -> str:
    """Run a tool; return what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def partition(name: str) -> str:
    """Return a partition of the disk, by its stable name."""
    path = f"/dev/disk/by-partlabel/{name}"
    _until_there(path)
    return path


def loop_device(file: Path, size: int) -> str:
    """Return a new loop device over a file of zeros."""
    file.write_bytes(b"")
    os.truncate(file, size)
    return run("losetup", "--find", "--show", str(file)).strip()


def nor() -> str:
    """Return a NOR flash of 512 KiB in blocks of 64 KiB."""
    run("modprobe", "mtdram", "total_size=512", "erase_size=64")
    return _mtd(_NOR_NAME)


def nand() -> str:
    """Return a NAND flash of 8 MiB in blocks of 128 KiB."""
    return _nandsim(0)


def bad_nand() -> str:
    """Return another; each half of it begins with a bad block."""
    return _nandsim(1)


def ubi_volume(flash: str, name: str, kind: str = "dynamic") -> str:
    """Return a UBI volume on a flash; what is not attached or made yet is so now.

    Args:
        flash: the flash.
        name: of the volume.
        kind: ``dynamic`` or ``static``.
    """
    number = int(flash.removeprefix("/dev/mtd"))
    run("modprobe", "ubi")
    if not _ubi_of(number):
        run("ubiattach", "/dev/ubi_ctrl", "-m", str(number))
    device = _ubi_of(number)
    if name not in _volumes(device):
        run("ubimkvol", f"/dev/{device}", "-N", name, "-s", "256KiB", "-t", kind)
    path = f"/dev/{_volumes(device)[name]}"
    _until_there(path)
    return path


def ubi_detached(flash: str) -> None:
    """Take UBI off a flash: whoever attaches it next reads it all anew."""
    run("udevadm", "settle")  # it may still look at the volumes
    run("ubidetach", "/dev/ubi_ctrl", "-p", flash)


def block2mtd(label: str, name: str) -> str:
    """Return a flash over a partition of the disk: it is there after a power cut too."""
    device = Path(partition(label)).resolve()  # the driver knows no links
    run("modprobe", "block2mtd")
    if name not in _flashes():
        _BLOCK2MTD.write_text(f"{device},65536,{name}")
    return _mtd(name)


def mapped(name: str, table: str) -> str:
    """Make a device of the device mapper."""
    run("dmsetup", "create", name, "--table", table)
    run("udevadm", "settle")
    return f"/dev/mapper/{name}"


def unmapped(name: str) -> None:
    """Remove it; it is written out when this returns."""
    run("udevadm", "settle")
    run("dmsetup", "remove", "--retry", name)


def _nandsim(part: int) -> str:
    if not Path("/sys/module/nandsim").exists():
        run("modprobe", "nandsim", f"id_bytes={_NAND_ID}", *_NAND_PARTS)
    return _mtd(f"NAND simulator partition {part}")


def _mtd(name: str) -> str:
    """Return the flash with a name."""
    path = _flashes()[name]
    _until_there(path)
    return path


def _flashes() -> dict[str, str]:
    """Return all flash devices by name."""
    named = Path("/sys/class/mtd").glob("mtd*[0-9]/name")
    return {one.read_text().strip(): f"/dev/{one.parent.name}" for one in named}


def _ubi_of(number: int) -> str:
    """Return the UBI device on an MTD device, ``ubiX``; empty if there is none."""
    attached = Path("/sys/class/ubi").glob("ubi*/mtd_num")
    return next((one.parent.name for one in attached if int(one.read_text()) == number), "")


def _volumes(device: str) -> dict[str, str]:
    """Return the volumes of a UBI device by name, ``ubiX_Y``."""
    named = Path("/sys/class/ubi").glob(f"{device}_*/name")
    return {one.read_text().strip(): one.parent.name for one in named}


def _until_there(path: str) -> None:
    """Wait until udev has made a device and is done with it."""
    run("udevadm", "wait", "--timeout=50", path)
