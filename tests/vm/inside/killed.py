"""SIGKILL at each system call of a save, with torn writes, on the kernel's own drivers."""

from pathlib import Path

from mmid.hal_linux.storage import open_store
from tests.hal_linux.storage.power_cuts import cut_saves
from tests.vm.inside.channel import report
from tests.vm.inside.devices import nand, nor, partition, run, ubi_volume

_CUTS = 60


def saves_into_a_file(place: Path) -> str:
    """``file:`` on tmpfs."""
    return _cut(f"file:{place}/device.bin")


def saves_into_a_partition(place: Path) -> str:
    """``block:`` on a GPT partition."""
    return _cut(f"block:{partition('kept')}")


def saves_into_nor(place: Path) -> str:
    """``mtd:`` on mtdram."""
    device = nor()
    run("flash_erase", device, "0", "0")
    return _cut(f"mtd:{device}")


def saves_into_nand(place: Path) -> str:
    """``ubi:`` on nandsim."""
    return _cut(f"ubi:{ubi_volume(nand(), 'mmid')}")


def _cut(target: str) -> str:
    tally = cut_saves(target, _CUTS)
    assert not tally.lost, tally
    assert tally.old, tally
    assert tally.new, tally
    store = open_store(target)
    store.save(b"after the cuts")
    assert open_store(target).load() == b"after the cuts"
    report("cuts", number=tally.cuts)
    return f"{tally.cuts} cuts: {tally.old} old, {tally.new} new, none lost"
