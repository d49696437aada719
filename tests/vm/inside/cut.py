"""The real power cut: the host pulls the plug while records are being saved.

The disk outlives it, and is plugged into a machine that has never seen it:
there this module tells the host what it finds, and goes on saving.
"""

import threading
from itertools import count
from pathlib import Path

from mmid.hal_linux.storage import open_store
from tests.vm.inside.channel import report
from tests.vm.inside.devices import block2mtd, partition, run, ubi_volume

_FLASH_NAME, _UBI_FLASH_NAME = "power", "power-ubi"
_MOUNTED = Path("/run/mmid-vm/cut-file")


def prepare(place: Path) -> str:
    """Make a new disk ready: blank flash, a UBI volume, a file system."""
    run("flash_erase", block2mtd("cut-mtd", _FLASH_NAME), "0", "0")
    flash = block2mtd("cut-ubi", _UBI_FLASH_NAME)
    run("ubiformat", "-q", "-y", flash)
    ubi_volume(flash, "mmid")
    run("mkfs.ext4", "-q", partition("cut-file"))
    run("sync")
    return f"{len(_targets())} stores"


def look_then_save_until_the_cut(place: Path) -> str:
    """Tell what is in each store, then save in all of them for ever, and tell each save."""
    targets = _targets()
    found = {store: _number(open_store(target).load()) for store, target in targets.items()}
    for store, number in found.items():
        report("found", store=store, number=number)
    for store, target in targets.items():
        arguments = (store, target, found[store] + 1)
        threading.Thread(target=_save_for_ever, args=arguments, daemon=True).start()
    threading.Event().wait()
    return ""


def _targets() -> dict[str, str]:
    """Make the devices, and return the stores. A mount replays the file system's journal."""
    block2mtd("cut-mtd", _FLASH_NAME)
    flash = block2mtd("cut-ubi", _UBI_FLASH_NAME)
    _MOUNTED.mkdir(exist_ok=True)
    if not _MOUNTED.is_mount():
        run("mount", partition("cut-file"), str(_MOUNTED))
    return {
        "block": f"block:{partition('cut-block')}",
        "mtd": f"mtd:name={_FLASH_NAME}",
        "ubi": f"ubi:{ubi_volume(flash, 'mmid')}",
        "file": f"file:{_MOUNTED}/device.bin",
    }


def _save_for_ever(store: str, target: str, first: int) -> None:
    for number in count(first):
        open_store(target).save(_payload(number))
        report("saved", store=store, number=number)


def _payload(number: int) -> bytes:
    return f"payload {number} ".encode() * 120


def _number(payload: bytes | None) -> int:
    """Return which payload it is, 0 for none; nothing else may be there."""
    if payload is None:
        return 0
    number = int(payload.split()[1])
    assert payload == _payload(number), payload
    return number
