import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmid.errors import StorageFailed
from mmid.hal_linux.storage.block_store import BlockMedium
from mmid.hal_linux.storage.record_format import encode
from mmid.hal_linux.storage.slots import SlotStore
from mmid.hal_linux.storage.system_calls import SystemCalls
from tests.hal_linux.storage.medium_doubles import BlockDouble, spliced
from tests.hal_linux.storage.simulated_cuts import store_on

Device = tuple[str, SystemCalls]

BLANK = bytes(BlockDouble.size_bytes)


def store_in(device: Device, *, force: bool = False) -> SlotStore:
    return SlotStore(BlockMedium(*device), force=force)


def test_the_slots_lie_where_the_documentation_says(block_device: Device) -> None:
    store_in(block_device).save(b"payload")
    data = Path(block_device[0]).read_bytes()
    slot = encode(2, b"payload").ljust(8192, b"\x00")
    assert data[:8192] == data[65536 : 65536 + 8192] == slot
    assert not data[8192:65536].strip(b"\x00")
    assert not data[65536 + 8192 :].strip(b"\x00")


def test_a_shorter_payload_leaves_nothing_of_the_longer_one(block_device: Device) -> None:
    store_in(block_device).save(b"secret" * 682)
    store_in(block_device).save(b"short")
    assert b"secret" not in Path(block_device[0]).read_bytes()


def test_one_rotten_copy_loses_nothing(block_device: Device) -> None:
    store_in(block_device).save(b"payload")
    for offset in (0, 65536):
        with Path(block_device[0]).open("r+b") as device:
            device.seek(offset + 18)
            device.write(b"rot")
        assert store_in(block_device).load() == b"payload"
        store_in(block_device).save(b"payload")


@pytest.mark.parametrize(
    ("command", "what"),
    [(["mkfs.ext4", "-q", "-F"], "ext4"), (["mkswap", "-q"], "swap space")],
    ids=["ext4", "swap"],
)
@pytest.mark.parametrize("saved_before", [False, True], ids=["blank", "over-a-record"])
def test_what_another_tool_made_of_the_partition_is_named_and_left_alone(
    block_device: Device, command: list[str], what: str, saved_before: bool
) -> None:
    if saved_before:
        store_in(block_device).save(b"payload")
    tool = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert tool is not None
    subprocess.run([tool, *command[1:], block_device[0]], check=True, capture_output=True)
    before = Path(block_device[0]).read_bytes()
    store = store_in(block_device)
    for action in (store.load, lambda: store.save(b"new"), store.erase):
        with pytest.raises(StorageFailed, match=rf"something else .*{what}"):
            action()
    assert Path(block_device[0]).read_bytes() == before
    store_in(block_device, force=True).save(b"new")
    assert store_in(block_device).load() == b"new"


@pytest.mark.parametrize("offset", [8192, 65535, 65536 + 8192, len(BLANK) - 1])
def test_data_around_the_slots_is_left_alone(offset: int) -> None:
    double = BlockDouble(spliced(BLANK, offset, b"x"))
    for action in (store_on(double).load, lambda: store_on(double).save(b"new")):
        with pytest.raises(StorageFailed, match="data that is not blank"):
            action()
    assert double.changes == 0


def test_a_partition_of_ones_is_blank() -> None:
    double = BlockDouble(b"\xff" * len(BLANK))
    assert store_on(double).load() is None
    store_on(double).save(b"new")
    assert store_on(double).load() == b"new"


def test_a_partition_that_is_too_small_is_refused() -> None:
    double = BlockDouble()
    double.size_bytes -= 512
    with pytest.raises(StorageFailed, match="has 130560 bytes, the device record needs 131072"):
        store_on(double).save(b"new")


def test_a_mounted_partition_is_not_even_read_and_its_place_named() -> None:
    double = BlockDouble()
    double.files["/proc/self/mountinfo"] = (
        "22 27 0:21 / /proc rw - proc proc rw\n44 27 8:1 / /mnt/data rw - ext4 /dev/sdz1 rw\n"
    )
    with pytest.raises(StorageFailed, match="/dev/sdz1 is in use: mounted at /mnt/data"):
        store_on(double).load()


def test_what_else_is_mounted_may_have_any_name() -> None:
    double = BlockDouble()
    double.files["/proc/self/mountinfo"] = (
        "43 27 8:9 / /media/a\fb\x85c\u2028d rw - vfat /dev/sdy1 rw\n"
        "44 27 8:1 / /mnt/data rw - ext4 /dev/sdz1 rw\n"
    )
    with pytest.raises(StorageFailed, match="in use: mounted at /mnt/data"):
        store_on(double).load()


def test_a_part_of_a_mapped_device_is_refused() -> None:
    double = BlockDouble()
    double.files["/sys/dev/block/8:1/holders/dm-3"] = ""
    with pytest.raises(StorageFailed, match="in use: part of dm-3"):
        store_on(double).load()


@pytest.mark.parametrize("mounts", ["", "44 27 8:1 / /mnt/data rw - ext4 /dev/sdz1 rw\n"])
def test_what_the_kernel_knows_to_be_in_use_is_refused(mounts: str) -> None:
    double = BlockDouble()
    plain_open = double.open

    def busy(path: str, flags: int, mode: int = 0o600) -> int:
        if flags & os.O_EXCL:
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        return plain_open(path, flags, mode)

    double.open = busy  # type: ignore[method-assign]
    double.files["/proc/self/mountinfo"] = mounts
    words = "mounted at /mnt/data" if mounts else "mounted, swap space, or a part of a RAID"
    with pytest.raises(StorageFailed, match=words):
        store_on(double).save(b"new")


def test_what_is_no_block_device_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(BLANK)
    for path in (str(file), "/dev/null"):
        with pytest.raises(StorageFailed, match=f"{path} is not a block device"):
            SlotStore(BlockMedium(path)).load()


def test_a_partition_that_is_not_there_is_named() -> None:
    with pytest.raises(StorageFailed, match=r"No such file or directory \(/dev/no-such-disk\)"):
        SlotStore(BlockMedium("/dev/no-such-disk")).load()


class NoDirect(SystemCalls):
    """A driver without direct I/O."""

    def __init__(self, calls: SystemCalls) -> None:
        self.log: list[str] = []
        self.fstat = calls.fstat  # type: ignore[method-assign]
        self.ioctl = calls.ioctl  # type: ignore[method-assign]

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument", path)
        assert flags & os.O_DSYNC
        return super().open(path, flags, mode)

    def drop_cache(self, descriptor: int) -> None:
        self.log.append("drop_cache")
        super().drop_cache(descriptor)


def test_without_direct_io_it_is_synchronous_and_read_back_from_the_medium(
    block_device: Device,
) -> None:
    path, calls = block_device
    without = NoDirect(calls)
    SlotStore(BlockMedium(path, without)).save(b"payload")
    assert store_in(block_device).load() == b"payload"
    assert len(without.log) >= 4


class Swapped(BlockDouble):
    """A name that may mean another device later; how often it was measured is counted."""

    number = 0x0801
    measured = 0

    def fstat(self, descriptor: int) -> Any:  # noqa: ARG002 - there is one
        return SimpleNamespace(st_mode=stat.S_IFBLK | 0o600, st_rdev=self.number)

    def size(self, descriptor: int) -> int:
        self.measured += 1
        return super().size(descriptor)


def test_a_device_is_measured_once_and_another_one_of_its_name_again() -> None:
    double = Swapped()
    store = store_on(double)
    for payload in (b"one", b"two", b"three"):
        store.save(payload, both=False)
    assert double.measured == 1
    double.number, double.size_bytes = 0x0802, 4096
    with pytest.raises(StorageFailed, match="4096 bytes"):
        store.save(b"four")


def test_a_drive_that_forgets_is_found_out() -> None:
    double = BlockDouble()
    store_on(double).save(b"old")
    double.fsync = lambda descriptor: double._cache.clear()  # type: ignore[method-assign]  # noqa: ARG005
    with pytest.raises(StorageFailed, match="/dev/sdz1 at 0 does not read back"):
        store_on(double).save(b"new")
    assert store_on(double).load() == b"old"
