import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmid.errors import StorageFailed
from mmid.hal import Store
from mmid.hal_linux.storage import open_store
from mmid.hal_linux.storage.file_store import FileMedium
from mmid.hal_linux.storage.record_format import encode
from mmid.hal_linux.storage.slots import SlotStore
from mmid.hal_linux.storage.system_calls import SystemCalls


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "device.bin"


def copies(path: Path) -> tuple[Path, Path]:
    return path, path.with_name("device.bin.copy")


def test_nothing_was_ever_written(path: Path) -> None:
    store: Store = open_store(f"file:{path}")
    assert store.load() is None
    assert store.name == f"file:{path}"
    assert not path.exists()


def test_what_was_saved_is_loaded_by_the_next_start(path: Path) -> None:
    for payload in (b"one", b"", bytes(range(256)) * 16):
        open_store(f"file:{path}").save(payload)
        assert open_store(f"file:{path}").load() == payload


def test_both_copies_hold_the_new_payload_and_only_the_owner_reads_them(path: Path) -> None:
    store = open_store(f"file:{path}")
    store.save(b"one")
    store.save(b"two")
    for copy in copies(path):
        assert copy.read_bytes() == encode(2, b"two")
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(path.parent.iterdir()) == sorted(copies(path))


def test_a_missing_directory_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    open_store(f"file:{tmp_path}/new/device.bin").save(b"one")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_only_the_last_directory_is_made(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="cannot be written: No such file or directory"):
        open_store(f"file:{tmp_path}/a/b/device.bin").save(b"one")


@pytest.mark.parametrize("which", [0, 1])
def test_one_damaged_copy_loses_nothing_and_the_next_save_mends_it(path: Path, which: int) -> None:
    open_store(f"file:{path}").save(b"one")
    whole = copies(path)[which].read_bytes()
    for at in range(len(whole)):
        copies(path)[which].write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        assert open_store(f"file:{path}").load() == b"one"
    open_store(f"file:{path}").save(b"two")
    copies(path)[1 - which].unlink()
    assert open_store(f"file:{path}").load() == b"two"


def test_damage_everywhere_is_never_taken_for_a_new_device(path: Path) -> None:
    open_store(f"file:{path}").save(b"one")
    for copy in copies(path):
        copy.write_bytes(b"")
    with pytest.raises(StorageFailed, match=r"every copy .* is damaged"):
        open_store(f"file:{path}").load()


@pytest.mark.parametrize("name", ["load", "save", "erase"])
def test_a_file_of_somebody_else_is_left_alone(path: Path, name: str) -> None:
    path.write_text("not yours")
    store = open_store(f"file:{path}")
    actions = {"load": store.load, "save": lambda: store.save(b"one"), "erase": store.erase}
    with pytest.raises(StorageFailed, match="something else"):
        actions[name]()
    assert path.read_text() == "not yours"


def test_what_is_no_file_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(StorageFailed, match="not a regular file"):
        open_store(f"file:{path}").load()


def test_erased_is_as_never_written(path: Path) -> None:
    store = open_store(f"file:{path}")
    store.erase()
    store.save(b"one")
    path.with_name("device.bin.new").write_bytes(b"left behind")
    store.erase()
    assert store.load() is None
    assert list(path.parent.iterdir()) == []


def test_damage_can_be_erased(path: Path) -> None:
    path.write_bytes(b"")
    open_store(f"file:{path}").erase()
    assert open_store(f"file:{path}").load() is None


class LoggedCalls(SystemCalls):
    """The kernel, with a list of the calls that change something."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def write(self, descriptor: int, data: bytes) -> None:
        self.log.append("write")
        super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self.log.append("fsync")
        super().fsync(descriptor)

    def rename(self, source: str, target: str) -> None:
        self.log.append("rename")
        super().rename(source, target)


def test_data_is_synced_before_its_name_and_the_name_before_the_next_copy(path: Path) -> None:
    open_store(f"file:{path}").save(b"one")
    calls = LoggedCalls()
    SlotStore(FileMedium(path, calls)).save(b"two")
    assert calls.log == ["write", "fsync", "rename", "fsync"] * 2


def test_another_process_that_saves_is_waited_for(path: Path) -> None:
    open_store(f"file:{path}").save(b"one")
    with (
        ThreadPoolExecutor() as pool,
        FileMedium(path).opened(write=True) as slots,
    ):
        loading = pool.submit(open_store(f"file:{path}").load)
        with pytest.raises(TimeoutError):
            loading.result(timeout=0.2)
        slots.write(0, encode(2, b"two"))
    assert loading.result(timeout=10) == b"two"


def test_a_medium_that_forgets_is_found_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"file:{path}")
    store.save(b"old")
    monkeypatch.setattr(SystemCalls, "write", lambda *_: None)
    with pytest.raises(StorageFailed, match="does not read back"):
        store.save(b"new")
    monkeypatch.undo()
    assert store.load() == b"old"


def test_what_a_tool_of_root_writes_belongs_to_who_owns_the_directory(tmp_path: Path) -> None:
    directory = tmp_path / "mmid"
    directory.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(directory, 4711, 4712)
    open_store(f"file:{directory}/device.bin").save(b"who I am")
    for path in directory.iterdir():
        assert (path.stat().st_uid, path.stat().st_gid) == (
            directory.stat().st_uid,
            directory.stat().st_gid,
        )


def test_a_symbolic_link_stays_and_what_it_leads_to_is_written(path: Path, tmp_path: Path) -> None:
    factory = tmp_path / "factory"
    factory.mkdir()
    path.symlink_to("between")
    (path.parent / "between").symlink_to(factory / "record.bin")
    store = open_store(f"file:{path}")
    assert store.load() is None
    for payload in (b"one", b"two"):
        store.save(payload)
        assert path.is_symlink()
        assert open_store(f"file:{factory}/record.bin").load() == payload
    assert sorted(file.name for file in factory.iterdir()) == ["record.bin", "record.bin.copy"]
    store.erase()
    assert list(factory.iterdir()) == []
    assert path.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a link of another user")
def test_a_symbolic_link_of_another_user_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "where-he-may-not-write")
    os.chown(path, 4711, 4712, follow_symlinks=False)
    with pytest.raises(StorageFailed, match="a symbolic link of another user is not followed"):
        open_store(f"file:{path}").save(b"payload")
    assert not (tmp_path / "where-he-may-not-write").exists()


def test_a_symbolic_link_to_itself_is_refused(path: Path) -> None:
    path.symlink_to(path.name)
    with pytest.raises(StorageFailed, match=os.strerror(errno.ELOOP)):
        open_store(f"file:{path}").load()
