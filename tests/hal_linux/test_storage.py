from pathlib import Path

import pytest

from mmid.errors import StorageFailed
from mmid.hal_linux.file_store import FileStore
from mmid.hal_linux.storage import open_store


def test_a_file_target_is_a_file_store(tmp_path: Path) -> None:
    store = open_store(f"file:{tmp_path}/device.bin")
    assert isinstance(store, FileStore)
    assert store.name == f"file:{tmp_path}/device.bin"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["mtd:/dev/mtd3", "ubi:/dev/ubi0_0", "block:/dev/sda1"])
def test_flash_is_refused_until_it_is_there(target: str) -> None:
    with pytest.raises(StorageFailed, match="not in this version"):
        open_store(target)


@pytest.mark.parametrize("target", ["", "file:", "file:device.bin", "/var/lib/x", "nfs:/x"])
def test_what_is_no_target_is_named(target: str) -> None:
    with pytest.raises(StorageFailed, match="not a kind of store"):
        open_store(target)
