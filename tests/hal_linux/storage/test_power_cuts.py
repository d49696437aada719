"""The proof: more than 2,000 power cuts, each followed by a load and a save."""

import os
from pathlib import Path

import pytest

from mmid.hal_linux.storage.sealing import Sealing
from mmid.hal_linux.storage.system_calls import SystemCalls
from mmid.secrets import Secret
from tests.hal_linux.storage.power_cuts import cut_saves
from tests.hal_linux.storage.simulated_cuts import KINDS, cuts_of_kind

# How many cuts of each kind there are at least; the runs print how many there were.
SIMULATED = {
    "file": 1200,
    "block": 800,
    "block-4k": 800,
    "mtd": 3000,
    "mtd-small-blocks": 3000,
    "mtd-bad-blocks": 3000,
    "ubi": 30,
}
KILLED = 250


def test_the_cuts_are_as_many_as_promised() -> None:
    assert SIMULATED.keys() == KINDS.keys()
    assert sum(SIMULATED.values()) + 2 * KILLED >= 2000


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_in_the_middle_of_any_call_leaves_old_or_new(kind: str) -> None:
    cuts = cuts_of_kind(KINDS[kind])
    print(f"{kind}: {cuts} cuts")  # noqa: T201 - the number is asked for
    assert cuts >= SIMULATED[kind]


def test_a_save_killed_at_each_system_call_leaves_old_or_new_in_a_file(tmp_path: Path) -> None:
    tally = cut_saves(f"file:{tmp_path}/state/device.bin", KILLED)
    assert tally.lost == []
    assert tally.cuts == KILLED
    assert min(tally.old, tally.new) > KILLED // 10
    assert {"write", "fsync", "rename", "mkdir"} <= tally.by_call.keys()


def test_a_save_killed_at_each_system_call_leaves_old_or_new_in_a_device(
    block_device: tuple[str, SystemCalls],
) -> None:
    path, calls = block_device
    tally = cut_saves(f"block:{path}", KILLED, calls=calls)
    assert tally.lost == []
    assert tally.cuts == KILLED
    assert min(tally.old, tally.new) > KILLED // 10
    assert {"pwrite", "fsync"} <= tally.by_call.keys()


def test_a_sealed_save_survives_being_killed_too(tmp_path: Path) -> None:
    sealing = Sealing(Secret(os.urandom(32).hex()))
    tally = cut_saves(f"file:{tmp_path}/device.bin", 15, sealing=sealing)
    assert tally.lost == []
    assert tally.cuts == 15
