"""The two copies of the device record, as a flash that was damaged, or rewritten, holds them.

An input is the length of the first copy in four bytes, the first copy, and the second.
"""

import tempfile
from functools import cache
from pathlib import Path
from random import Random

from mmid.errors import StorageFailed
from mmid.hal_linux.storage import describe, open_store
from mmid.hal_linux.storage.record_format import NO_FLAGS, Flag, encode
from mmid.secrets import Secret
from mmid.session.license.messages import Unopened
from mmid.session.license.record import DeviceRecord, Pending
from tests.fuzz.harness import mutated

FULL = DeviceRecord(
    app_id="mm_0123",
    device_name="board1",
    nonce="ab" * 16,
    device_secret=Secret("0f" * 16),
    dialog_id="d-1",
    pending=Pending("board1", "cd" * 16, 1795132800000),
    unopened=Unopened("board1", "cd" * 16, 1795132800000, '{"data":{}}', Secret("00" * 176)),
)
FLAGS = [NO_FLAGS, *Flag]


@cache
def folder() -> tempfile.TemporaryDirectory[str]:
    """Return where they are; it is removed at the end."""
    return tempfile.TemporaryDirectory()


def copy(dice: Random) -> bytes:
    """Make one copy: sound outside and bent within, or bent outside, or neither."""
    payload = FULL.encode()
    if dice.random() < 0.5:
        payload = mutated(payload, dice)
    sequence = dice.choice([1, 2, 3, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
    try:
        data = encode(sequence, payload, dice.choice(FLAGS))
    except StorageFailed:  # too long
        return b""
    return mutated(data, dice) if dice.random() < 0.4 else data


def invent(dice: Random) -> bytes:
    """Make two copies."""
    first, second = copy(dice), copy(dice)
    return len(first).to_bytes(4) + first + second


async def take(data: bytes) -> None:
    """Look at them, load the record, and write it again."""
    path = Path(folder().name) / "device.bin"
    end = 4 + int.from_bytes(data[:4])
    path.write_bytes(data[4:end])
    path.with_name("device.bin.copy").write_bytes(data[end:])
    describe(f"file:{path}")
    store = open_store(f"file:{path}")
    payload = store.load()
    record = DeviceRecord.decode(payload) if payload else DeviceRecord()
    store.save(record.encode())
    assert open_store(f"file:{path}").load() == record.encode()
