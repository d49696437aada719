"""The flash of this machine: drivers of the kernel over memory, and partitions of a disk.

Each function makes its device at the first call in a start of the machine.
"""

import os
import subprocess
from pathlib import Path

__all__ = [
    "block2mtd",
    "loop_device",
    "mapped",
    "nand_volume",
    "nor",
    "partition",
    "run",
    "unmapped",
]

# A Samsung of 128 MiB, as far as nandsim cares; the first 64 blocks are a partition.
_NAND_ID = "0x20,0xaa,0x00,0x15"
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
    run("udevadm", "settle")
    return f"/dev/disk/by-partlabel/{name}"


def loop_device(file: Path, size: int) -> str:
    """Return a new loop device over a file of zeros."""
    file.write_bytes(b"")
    os.truncate(file, size)
    return run("losetup", "--find", "--show", str(file)).strip()


def nor() -> str:
    """Return a NOR flash of 512 KiB in blocks of 64 KiB."""
    run("modprobe", "mtdram", "total_size=512", "erase_size=64")
    return _mtd(_NOR_NAME)


def nand_volume(name: str, kind: str) -> str:
    """Return a UBI volume on a NAND flash.

    Args:
        name: of the volume; made if there is none.
        kind: ``dynamic`` or ``static``.
    """
    if not Path("/dev/ubi0").exists():
        run("modprobe", "ubi")
        run("modprobe", "nandsim", f"id_bytes={_NAND_ID}", "parts=64,64")
        flash = _mtd("NAND simulator partition 0")
        run("ubiattach", "/dev/ubi_ctrl", "-p", flash, "-d", "0")
        run("udevadm", "settle")
    names = {one.read_text().strip(): one for one in _volumes()}
    if name not in names:
        run("ubimkvol", "/dev/ubi0", "-N", name, "-s", "256KiB", "-t", kind)
        run("udevadm", "settle")
        names = {one.read_text().strip(): one for one in _volumes()}
    return f"/dev/{names[name].parent.name}"


def block2mtd(label: str, name: str) -> str:
    """Return a flash over a partition of the disk: it is there after a power cut too."""
    device = Path(partition(label)).resolve()  # the driver knows no links
    run("modprobe", "block2mtd")
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


def _mtd(name: str) -> str:
    """Return the flash with a name."""
    run("udevadm", "settle")
    for path in Path("/sys/class/mtd").glob("mtd*/name"):
        if path.read_text().strip() == name and not path.parent.name.endswith("ro"):
            return f"/dev/{path.parent.name}"
    raise AssertionError(f"no flash {name!r}: {Path('/proc/mtd').read_text()}")


def _volumes() -> list[Path]:
    return list(Path("/sys/class/ubi").glob("ubi0_*/name"))
