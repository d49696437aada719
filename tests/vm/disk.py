"""The disk that is plugged into a machine: a file with a partition table."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

_MIB = 1024 * 1024


def make_disk(path: Path, mib: int, partitions: Mapping[str, str]) -> Path:
    """Make a blank disk with a GPT.

    Args:
        path: the file.
        mib: its size in MiB.
        partitions: their names and sizes, in order.
    """
    with path.open("wb") as disk:
        disk.truncate(mib * _MIB)
    lines = ["label: gpt", *(f"name={name}, size={size}" for name, size in partitions.items())]
    command = ["/usr/sbin/sfdisk", "-q", str(path)]
    subprocess.run(command, input="\n".join(lines), text=True, check=True, timeout=60)
    return path
