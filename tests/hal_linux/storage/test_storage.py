from pathlib import Path

import pytest

from mmid.errors import StorageFailed
from mmid.hal_linux import storage
from mmid.hal_linux.storage import (
    SlotReport,
    SlotState,
    describe,
    medium_of,
    open_store,
    paths_of,
)
from mmid.hal_linux.storage.block_store import BlockMedium
from mmid.hal_linux.storage.file_store import FileMedium
from mmid.hal_linux.storage.mtd_store import MtdMedium
from mmid.hal_linux.storage.system_calls import SystemCalls
from mmid.hal_linux.storage.ubi_store import UbiMedium
from mmid.secrets import Secret

KEY = Secret("5a" * 32)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("file:/var/lib/mmid/device.bin", FileMedium),
        ("block:/dev/disk/by-partlabel/mmid", BlockMedium),
        ("ubi:/dev/ubi0_0", UbiMedium),
        ("mtd:/dev/mtd3", MtdMedium),
        ("mtd:name=mmid", MtdMedium),
    ],
)
def test_a_target_names_its_kind(target: str, kind: type[object]) -> None:
    assert isinstance(medium_of(target), kind)
    assert open_store(target).name == target


def test_nothing_is_touched_before_it_is_needed(tmp_path: Path) -> None:
    open_store(f"file:{tmp_path}/device.bin", key=KEY, force=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "target",
    ["", "file:", "file:device.bin", "/var/lib/x", "nfs:/x", "block:sda1", "ubi:mmid", "mtd:3"],
)
def test_what_is_no_target_is_named(target: str) -> None:
    with pytest.raises(StorageFailed, match="not a kind of store"):
        open_store(target)


def test_each_copy_is_described(tmp_path: Path) -> None:
    path = tmp_path / "device.bin"
    target = f"file:{path}"
    assert describe(target) == [
        SlotReport(str(path), SlotState.BLANK),
        SlotReport(f"{path}.copy", SlotState.BLANK),
    ]
    open_store(target).save(b"payload")
    path.write_bytes(b"not yours")
    first, second = describe(target)
    assert (first.state, "something else" in first.problem) == (SlotState.FOREIGN, True)
    assert second == SlotReport(f"{path}.copy", SlotState.VALID, sequence=1, size_bytes=7)
    path.write_bytes(b"mmid")
    assert describe(target)[0].state is SlotState.DAMAGED


def test_a_sealed_copy_says_whether_the_key_fits(tmp_path: Path) -> None:
    target = f"file:{tmp_path}/device.bin"
    open_store(target, key=KEY).save(b"payload")
    for key, words in ((None, "no key"), (Secret("6b" * 32), "another one"), (KEY, "")):
        for report in describe(target, key):
            assert (report.state, report.sealed, report.size_bytes) == (SlotState.VALID, True, 7)
            assert words in report.problem
            assert bool(words) == bool(report.problem)


def test_a_target_says_which_files_or_which_device_it_is_on() -> None:
    assert paths_of("file:/x/device.bin") == ["/x/device.bin", "/x/device.bin.copy"]
    assert paths_of("block:/dev/mmid-record") == ["/dev/mmid-record"]
    assert paths_of("mtd:/dev/mtd3") == ["/dev/mtd3"]
    assert paths_of("mtd:name=no-such-partition") == []


def test_an_empty_key_seals_nothing(tmp_path: Path) -> None:
    target = f"file:{tmp_path}/device.bin"
    open_store(target, key=Secret("")).save(b"payload")
    assert not any(report.sealed for report in describe(target))


def test_an_erased_record_is_described_as_blank(
    block_device: tuple[str, SystemCalls], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls = block_device
    monkeypatch.setattr(storage, "SystemCalls", lambda: calls)
    open_store(f"block:{path}").save(b"payload")
    open_store(f"block:{path}").erase()
    assert describe(f"block:{path}") == [
        SlotReport(f"{path} at {offset}", SlotState.BLANK, sequence=3) for offset in (0, 65536)
    ]
