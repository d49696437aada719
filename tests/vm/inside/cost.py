"""What things cost on this board; figures for people, so no figure fails."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.vm.inside.devices import loop_device, nand, nor, partition, run, ubi_volume

_RUNS = 5


def a_save_into_every_store(place: Path) -> str:
    """``bench.storage_save`` on the kernel's own drivers."""
    flash = nor()
    run("flash_erase", flash, "0", "0")
    targets = [
        f"file:{place}/device.bin",
        f"block:{loop_device(place / 'disk', 1024 * 1024)}",
        f"block:{partition('kept')}",
        f"mtd:{flash}",
        f"ubi:{ubi_volume(nand(), 'mmid')}",
    ]
    return "; ".join(figure for target in targets for figure in _figures(target))


def _figures(target: str) -> Iterator[str]:
    command = [sys.executable, "-m", "bench.storage_save", target, "--json", "--runs", str(_RUNS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        one = json.loads(line)
        yield f"{one['figure']} {one['value']:.2f} ms ({one['ratio']:.1f}x bare)"
