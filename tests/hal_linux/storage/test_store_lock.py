import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmid.errors import StorageFailed
from mmid.hal_linux.storage import store_lock
from mmid.hal_linux.storage.store_lock import StoreInUse, hold_store

ROOT = Path(__file__).parents[3]
HOLD = """\
import sys
from mmid.hal_linux.storage.store_lock import hold_store
with hold_store(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"file:{tmp_path}/device.bin"


def another_process_holds(target: str) -> "subprocess.Popen[bytes]":
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, target],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


def test_a_second_owner_is_refused_until_the_first_ended_however_it_ended(target: str) -> None:
    with another_process_holds(target) as holder:
        with pytest.raises(StoreInUse, match="in use by another mmid"), hold_store(target):
            pytest.fail("two owners")
        holder.kill()
        holder.wait(10)
    with hold_store(target):
        pass


def test_it_is_held_within_the_block_and_not_after_it(target: str) -> None:
    with (
        hold_store(target),
        pytest.raises(StoreInUse),
        hold_store(target),
    ):
        pytest.fail("two owners")
    with hold_store(target):
        pass


def test_two_records_have_two_owners(target: str) -> None:
    with hold_store(target), hold_store(f"{target}2"):
        pass


def test_the_lock_is_private_and_empty(target: str, tmp_path: Path) -> None:
    with hold_store(target):
        (lock,) = tmp_path.iterdir()
        assert lock.stat().st_mode & 0o777 == 0o600
        assert lock.stat().st_size == 0


def test_a_directory_that_cannot_be_written_needs_no_lock() -> None:
    with hold_store("file:/proc/mmid/device.bin"):
        pass


def test_a_device_has_one_lock_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_lock, "RUN_DIRECTORY", tmp_path / "run")
    alias = tmp_path / "by-partlabel"
    alias.symlink_to("/dev/null")
    with (
        hold_store("block:/dev/null"),
        hold_store("block:/dev/zero"),
        pytest.raises(StoreInUse),
        hold_store(f"block:{alias}"),
    ):
        pytest.fail("two owners")
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["block-1-3.lock", "block-1-5.lock"]


def test_a_device_is_not_written_without_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").write_text("not a directory")
    monkeypatch.setattr(store_lock, "RUN_DIRECTORY", tmp_path / "run")
    with pytest.raises(StorageFailed, match="cannot be made"), hold_store("block:/dev/null"):
        pytest.fail("no lock")


def test_a_device_that_is_not_there_is_left_to_whoever_opens_it() -> None:
    for target in ("block:/dev/no-such-disk", "mtd:name=no-such-partition"):
        with hold_store(target):
            pass


def test_the_daemon_can_open_a_lock_that_a_tool_of_root_made(target: str) -> None:
    directory = Path(target.removeprefix("file:")).parent
    if os.geteuid() == 0:
        os.chown(directory, 4711, 4712)
    with hold_store(target):
        lock = Path(f"{directory}/device.bin.lock").stat()
    assert (lock.st_uid, lock.st_gid) == (directory.stat().st_uid, directory.stat().st_gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a lock away")
def test_root_gives_away_no_file_that_was_linked_where_the_lock_should_be(tmp_path: Path) -> None:
    secret, directory = tmp_path / "shadow", tmp_path / "mmid"
    secret.write_text("of root")
    directory.mkdir()
    os.chown(directory, 4711, 4712)
    (directory / "device.bin.lock").hardlink_to(secret)
    with hold_store(f"file:{directory}/device.bin"):
        assert (secret.stat().st_uid, secret.stat().st_gid) == (0, 0)


def test_a_symbolic_link_and_what_it_leads_to_have_one_lock(tmp_path: Path) -> None:
    link = tmp_path / "link.bin"
    link.symlink_to(tmp_path / "device.bin")
    with (
        hold_store(f"file:{tmp_path}/device.bin"),
        pytest.raises(StoreInUse),
        hold_store(f"file:{link}"),
    ):
        pytest.fail("two owners")


def test_a_lock_whose_place_cannot_be_found_is_told(tmp_path: Path) -> None:
    link = tmp_path / "device.bin"
    link.symlink_to(link)
    loop = os.strerror(errno.ELOOP)  # musl says it in other words
    with pytest.raises(StorageFailed, match=loop), hold_store(f"file:{link}"):
        pytest.fail("no lock")
