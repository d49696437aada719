"""What the stores ask of flash drivers, and what the kernel makes of it."""

import fcntl
import os
import struct
from pathlib import Path

from mmid.hal_linux.storage import open_store
from mmid.hal_linux.storage.mtd_store import MtdMedium
from mmid.hal_linux.storage.system_calls import SystemCalls
from mmid.hal_linux.storage.ubi_store import UbiMedium
from tests.vm.inside.devices import bad_nand, nand, nor, run, ubi_detached, ubi_volume
from tests.vm.inside.flash import keeps

# mtd/mtd-abi.h
_MEMSETBADBLOCK = 0x40084D0C


def mtd_geometry_is_the_kernels(place: Path) -> str:
    """MEMGETINFO says what /sys says, of NOR and of NAND."""
    found = []
    for flash in (nor(), nand()):
        medium = MtdMedium(flash)
        with medium.opened(write=False):
            told = medium._erase_bytes, medium._write_bytes
        wanted = _number(flash, "erasesize"), _number(flash, "writesize")
        assert told == wanted, (told, wanted)
        half = _number(flash, "size") // 2
        assert medium.places == (f"{flash} at 0", f"{flash} at {half}"), medium.places
        found.append(f"{flash}: blocks of {told[0]}, pages of {told[1]} bytes")
    return "; ".join(found)


def an_erased_block_is_blank(place: Path) -> str:
    """MEMERASE makes one block blank, and no other."""
    flash = Path(nor())
    run("flash_erase", str(flash), "0", "0")
    size, block = _number(str(flash), "size"), _number(str(flash), "erasesize")
    full = os.urandom(size)
    with flash.open("r+b", buffering=0) as file:
        file.write(full)
    with MtdMedium(str(flash)).opened(write=True) as slots:
        slots.remove(1)
    half = size // 2
    assert flash.read_bytes() == full[:half] + b"\xff" * block + full[half + block :]
    run("flash_erase", str(flash), "0", "0")
    return f"{block} of {size} bytes"


def bad_blocks_are_never_used(place: Path) -> str:
    """MEMGETBADBLOCK: bad ones are skipped; one that goes bad later costs one copy only."""
    flash = bad_nand()
    block = _number(flash, "erasesize")
    bad = _number(flash, "bad_blocks")
    before = _places(flash)
    assert before == (f"{flash} at {block}", f"{flash} at {33 * block}"), before
    keeps(f"mtd:{flash}")
    with Path(flash).open("r+b", buffering=0) as file:
        fcntl.ioctl(file, _MEMSETBADBLOCK, struct.pack("=q", block))
    assert _number(flash, "bad_blocks") == bad + 1
    assert _places(flash) == (f"{flash} at {2 * block}", before[1]), _places(flash)
    assert open_store(f"mtd:{flash}").load() == b"again"
    open_store(f"mtd:{flash}").save(b"on a good block")
    copies = open_store(f"mtd:{flash}").inspect()
    assert all(copy.record and copy.record.body == b"on a good block" for copy in copies), copies
    return f"{bad} bad at first, one more later: {', '.join(_places(flash))}"


def ubi_keeps_what_was_there_until_the_last_byte(place: Path) -> str:
    """UBI_IOCEBCH: a change that lacks its last byte never happened."""
    volume = ubi_volume(nand(), "mmid")
    old, new = b"old" * 1000, b"new" * 1200
    with UbiMedium(volume).opened(write=True) as slots:
        slots.write(0, old)
    with UbiMedium(volume, _LastByteLost()).opened(write=True) as slots:
        slots.write(0, new)
    assert _slot(volume).startswith(old), "half a change was taken for one"
    with UbiMedium(volume).opened(write=True) as slots:
        slots.write(0, new)
    assert _slot(volume).startswith(new)
    return f"{len(new)} bytes, all or none"


def ubi_does_not_bring_back_what_was_erased(place: Path) -> str:
    """UBI_IOCEBER: what was erased or saved is so when UBI is attached anew."""
    flash = nand()
    store = open_store(f"ubi:{ubi_volume(flash, 'mmid')}", force=True)
    store.erase()
    store.save(b"an old record")
    store.save(b"a record")
    for wanted in (b"a record", None):
        if wanted is None:
            store.erase()
        ubi_detached(flash)
        found = open_store(f"ubi:{ubi_volume(flash, 'mmid')}").load()
        assert found == wanted, found
    return "a record came back, an erased one did not"


class _LastByteLost(SystemCalls):
    """A kernel to which the power is cut just before the last byte of a write."""

    def write(self, descriptor: int, data: bytes) -> None:
        super().write(descriptor, data[:-1])


def _slot(volume: str) -> bytes:
    with UbiMedium(volume).opened(write=False) as slots:
        return slots.read(0) or b""


def _places(flash: str) -> tuple[str, str]:
    medium = MtdMedium(flash)
    with medium.opened(write=False):
        return medium.places


def _number(flash: str, name: str) -> int:
    return int(Path("/sys/class/mtd", Path(flash).name, name).read_text())
