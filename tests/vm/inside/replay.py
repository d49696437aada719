"""Power cuts of a block store, all of them: what it wrote is replayed up to every sector."""

import os
from collections.abc import Iterator
from pathlib import Path

from mmid.hal_linux.storage import open_store
from tests.vm.inside.channel import report
from tests.vm.inside.devices import mapped, partition, run, unmapped
from tests.vm.inside.write_log import Write, read_log

_NAME = "journalled"
_SIZE = 1024 * 1024
_SAVES = 6
_SECTOR_BYTES = 512


def every_prefix_of_what_was_written_has_a_record(place: Path) -> str:
    """After each write, and each sector of it: the old record or the new; the next save works."""
    source, log, replayed = partition("journalled"), partition("log"), partition("replayed")
    _save_often(source, log)
    with Path(log).open("rb") as file:
        writes = list(read_log(file))
    cuts = torn = durable = 0
    disk = bytearray(_SIZE)
    for write in writes:
        if write.mark.startswith("saved-"):
            durable = int(write.mark.removeprefix("saved-"))
            continue
        assert not write.discard, "a replay of discards is not written"
        for whole in _apply(disk, write):
            _judge(replayed, disk, durable, save=whole)
            cuts += 1
            torn += not whole
    assert durable == _SAVES, durable
    assert torn > _SAVES, "no write was longer than a sector"
    report("cuts", number=cuts)
    return f"{_SAVES} saves, {len(writes)} entries, {cuts} cuts ({torn} inside a write), none lost"


def _save_often(source: str, log: str) -> None:
    """Save through a device that writes down what is written."""
    run("modprobe", "dm-log-writes")
    table = f"0 {_SIZE // _SECTOR_BYTES} log-writes {source} {log}"
    target = f"block:{mapped(_NAME, table)}"
    for number in range(1, _SAVES + 1):
        open_store(target).save(_payload(number))
        run("dmsetup", "message", _NAME, "0", "mark", f"saved-{number}")
    unmapped(_NAME)


def _apply(disk: bytearray, write: Write) -> Iterator[bool]:
    """Do a write sector by sector; yield after each whether it is all done now."""
    for start in range(0, len(write.data), _SECTOR_BYTES):
        part = write.data[start : start + _SECTOR_BYTES]
        at = write.offset + start
        disk[at : at + len(part)] = part
        yield start + len(part) == len(write.data)


def _judge(device: str, disk: bytearray, durable: int, *, save: bool) -> None:
    """Look at the disk as the board would after power is back."""
    with Path(device).open("r+b") as file:
        file.write(disk)
        file.flush()
        os.fsync(file.fileno())
    found = open_store(f"block:{device}").load()
    old = _payload(durable) if durable else None
    assert found in (old, _payload(durable + 1)), (durable, found)
    if save:
        open_store(f"block:{device}").save(b"after the cut")
        assert open_store(f"block:{device}").load() == b"after the cut"


def _payload(number: int) -> bytes:
    return f"payload {number} ".encode() * (20 * number)
