"""Every kind of store on the kernel's own drivers."""

from collections.abc import Callable
from pathlib import Path

from mmid.errors import StorageFailed
from mmid.hal_linux.storage import open_store
from tests.vm.inside.devices import (
    block2mtd,
    loop_device,
    nand,
    nor,
    partition,
    run,
    ubi_volume,
)

_MIB = 1024 * 1024


def file_keeps_a_record(place: Path) -> str:
    """``file:`` on ext4."""
    return keeps(f"file:{place}/device.bin")


def nor_keeps_a_record(place: Path) -> str:
    """``mtd:`` by device and by name."""
    device = nor()
    named = open_store("mtd:name=mtdram test device")
    found = keeps(f"mtd:{device}")
    assert named.load() == b"again"
    return found


def nand_keeps_a_record(place: Path) -> str:
    """``ubi:`` on nandsim."""
    return keeps(f"ubi:{ubi_volume(nand(), 'mmid')}")


def partition_keeps_a_record(place: Path) -> str:
    """``block:`` by its partition's label."""
    return keeps(f"block:{partition('kept')}")


def loop_device_keeps_a_record(place: Path) -> str:
    """``block:`` on a loop device."""
    return keeps(f"block:{loop_device(place / 'disk', _MIB)}")


def disk_as_flash_keeps_a_record(place: Path) -> str:
    """``mtd:`` on block2mtd."""
    device = block2mtd("flash", "kept")
    run("flash_erase", device, "0", "0")
    return keeps("mtd:name=kept")


def what_is_not_ours_is_left_alone(place: Path) -> str:
    """Mounted, foreign, swap, too small, static: refused in words, and not a byte is changed."""
    files = partition("files")
    small, static, flash = partition("small"), ubi_volume(nand(), "static", "static"), nor()
    reasons = [_refused(f"block:{small}", small, "bytes")]
    run("mkfs.ext4", "-q", files)
    reasons.append(_refused(f"block:{files}", files, "ext"))
    mounted = place / "mounted"
    mounted.mkdir()
    run("mount", files, str(mounted))
    reasons.append(_refused(f"block:{files}", files, "in use"))
    run("umount", str(mounted))
    run("mkswap", files)
    run("swapon", files)
    reasons.append(_refused(f"block:{files}", files, "in use"))
    run("swapoff", files)
    reasons.append(_refused(f"ubi:{static}", static, "static"))
    reasons.append(_refused(f"ubi:{flash}", flash, "not a UBI volume"))
    reasons.append(_refused(f"block:{flash}", flash, "not a block device"))
    return _foreign_flash(reasons)


def _foreign_flash(reasons: list[str]) -> str:
    """Put something else on the NOR flash; only force overwrites it."""
    device = nor()
    run("flash_erase", device, "0", "0")
    with Path(device).open("r+b", buffering=0) as flash:
        flash.write(b"\x27\x05\x19\x56 a boot loader ".ljust(4096, b"#"))
    reasons.append(_refused(f"mtd:{device}", device, "something else"))
    open_store(f"mtd:{device}", force=True).save(b"forced")
    assert open_store(f"mtd:{device}").load() == b"forced"
    return f"{len(reasons)} refused; with force, overwritten"


def keeps(target: str) -> str:
    """Save, load and erase as the daemon does, each time as a new process would."""
    assert open_store(target).load() is None
    for payload in (b"first", b"second, longer" * 100, b"third"):
        open_store(target).save(payload)
        assert open_store(target).load() == payload, payload
    open_store(target).erase()
    assert open_store(target).load() is None
    open_store(target).save(b"again")
    assert open_store(target).load() == b"again"
    return f"{target}: blank, saved, erased, saved again"


def _refused(target: str, device: str, why: str) -> str:
    """See that a save and an erasure are refused, with the reason, and change nothing."""
    before = Path(device).read_bytes()
    store = open_store(target)
    acts: list[Callable[[], object]] = [lambda: store.save(b"ours"), store.erase]
    message = ""
    for act in acts:
        try:
            act()
        except StorageFailed as error:
            message = str(error)
        else:
            raise AssertionError(f"{target} was written to")
        assert why in message, message
    assert Path(device).read_bytes() == before, f"{target} was refused, and yet written to"
    return message
