import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmid.errors import StorageFailed
from mmid.hal import Store
from mmid.hal_linux.file_store import FileStore
from mmid.hal_linux.record_format import encode

CALLS = ("open", "write", "fsync", "replace", "unlink", "mkdir", "read")


class PowerCut(BaseException):
    """The board is dark; nothing handles this."""


class Fault:
    """Makes the n-th system call of a store fail.

    Args:
        at: which call, from 0.
        error: raised there; after a ``PowerCut`` every later call raises too,
            because nothing runs on a board without power.
    """

    def __init__(self, at: int, error: BaseException) -> None:
        self.log: list[str] = []
        self._at = at
        self._error = error

    @contextmanager
    def injected(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._failing(name, getattr(os, name)))
            yield

    def _failing(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            index = len(self.log)
            self.log.append(name)
            dark = isinstance(self._error, PowerCut) and index > self._at
            if index == self._at or dark:
                if name == "write" and index == self._at:
                    call(args[0], args[1][: len(args[1]) // 2])
                raise self._error
            return call(*args, **kwargs)

        return wrapped


def calls_of(action: Callable[[], object]) -> list[str]:
    fault = Fault(-1, OSError())
    with fault.injected():
        action()
    return fault.log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "device.bin"


def copies(path: Path) -> tuple[Path, Path]:
    return path, path.with_name("device.bin.copy")


def test_nothing_was_ever_written(path: Path) -> None:
    store: Store = FileStore(path)
    assert store.load() is None
    assert store.name == f"file:{path}"
    assert not path.exists()


def test_what_was_saved_is_loaded_by_the_next_start(path: Path) -> None:
    for payload in (b"one", b"", bytes(range(256)) * 16):
        FileStore(path).save(payload)
        assert FileStore(path).load() == payload


def test_both_copies_hold_the_new_payload_and_only_the_owner_reads_them(path: Path) -> None:
    store = FileStore(path)
    store.save(b"one")
    store.save(b"two")
    for copy in copies(path):
        assert copy.read_bytes() == encode(2, b"two")
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(path.parent.iterdir()) == sorted(copies(path))


def test_a_missing_directory_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    FileStore(tmp_path / "new" / "device.bin").save(b"one")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_only_the_last_directory_is_made(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="cannot be written: No such file or directory"):
        FileStore(tmp_path / "a" / "b" / "device.bin").save(b"one")


@pytest.mark.parametrize("which", [0, 1])
def test_one_damaged_copy_loses_nothing_and_the_next_save_mends_it(path: Path, which: int) -> None:
    FileStore(path).save(b"one")
    whole = copies(path)[which].read_bytes()
    for at in range(len(whole)):
        copies(path)[which].write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        assert FileStore(path).load() == b"one"
    FileStore(path).save(b"two")
    copies(path)[1 - which].unlink()
    assert FileStore(path).load() == b"two"


def test_damage_everywhere_is_never_taken_for_a_new_device(path: Path) -> None:
    FileStore(path).save(b"one")
    for copy in copies(path):
        copy.write_bytes(b"")
    with pytest.raises(StorageFailed, match=r"every copy .* is damaged"):
        FileStore(path).load()


@pytest.mark.parametrize("name", ["load", "save", "erase"])
def test_a_file_of_somebody_else_is_left_alone(path: Path, name: str) -> None:
    path.write_text("not yours")
    store = FileStore(path)
    actions = {"load": store.load, "save": lambda: store.save(b"one"), "erase": store.erase}
    with pytest.raises(StorageFailed, match="something else"):
        actions[name]()
    assert path.read_text() == "not yours"


def test_what_is_no_file_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(StorageFailed, match="not a regular file"):
        FileStore(path).load()


def test_erased_is_as_never_written(path: Path) -> None:
    store = FileStore(path)
    store.erase()
    store.save(b"one")
    path.with_name("device.bin.new").write_bytes(b"left behind")
    store.erase()
    assert store.load() is None
    assert list(path.parent.iterdir()) == []


def test_damage_can_be_erased(path: Path) -> None:
    path.write_bytes(b"")
    FileStore(path).erase()
    assert FileStore(path).load() is None


def test_data_is_synced_before_its_name_and_the_name_before_the_next_copy(path: Path) -> None:
    FileStore(path).save(b"one")
    log = calls_of(lambda: FileStore(path).save(b"two"))
    changes = [name for name in log if name in ("write", "fsync", "replace")]
    assert changes == ["write", "fsync", "replace", "fsync"] * 2


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_power_cut_at_any_system_call_leaves_old_or_new(
    tmp_path: Path, before: bytes | None
) -> None:
    def prepared(name: str) -> FileStore:
        (tmp_path / name).mkdir()
        store = FileStore(tmp_path / name / "state" / "device.bin")
        if before is not None:
            store.save(before)
        return store

    rehearsal = prepared("rehearsal")
    seen = set()
    for at in range(len(calls_of(lambda: rehearsal.save(b"new")))):
        store = prepared(str(at))
        with Fault(at, PowerCut()).injected(), pytest.raises(PowerCut):
            store.save(b"new")
        found = store.load()
        assert found in (before, b"new")
        seen.add(found)
        store.save(b"next")
        assert store.load() == b"next"
        assert not list(tmp_path.glob(f"{at}/state/*.new"))
    assert seen == {before, b"new"}


def test_a_power_cut_while_erasing_does_not_bring_an_older_payload_back(tmp_path: Path) -> None:
    def half_saved(name: str) -> FileStore:
        store = FileStore(tmp_path / name)
        store.save(b"old")
        older = (tmp_path / name).read_bytes()
        store.save(b"new")
        (tmp_path / f"{name}.copy").write_bytes(older)
        return store

    rehearsal = half_saved("rehearsal")
    seen = set()
    for at in range(len(calls_of(rehearsal.erase))):
        store = half_saved(str(at))
        with Fault(at, PowerCut()).injected(), pytest.raises(PowerCut):
            store.erase()
        seen.add(store.load())
    assert seen == {b"new", None}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
def test_an_error_at_any_system_call_is_named_and_leaves_old_or_new(
    tmp_path: Path, code: int
) -> None:
    rehearsal = FileStore(tmp_path / "rehearsal.bin")
    rehearsal.save(b"old")
    for at, name in enumerate(calls_of(lambda: rehearsal.save(b"new"))):
        store = FileStore(tmp_path / f"{at}.bin")
        store.save(b"old")
        fault = Fault(at, OSError(code, os.strerror(code)))
        with fault.injected(), pytest.raises(StorageFailed) as raised:
            store.save(b"new")
        assert f"{at}.bin" in str(raised.value), name
        assert os.strerror(code) in str(raised.value)
        assert store.load() in (b"old", b"new")
        store.save(b"next")
        assert store.load() == b"next"


def test_a_medium_that_forgets_is_found_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(path)
    store.save(b"old")
    monkeypatch.setattr(os, "write", lambda _, data: len(data))
    with pytest.raises(StorageFailed, match="does not read back"):
        store.save(b"new")
    monkeypatch.undo()
    assert store.load() == b"old"
