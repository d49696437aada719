"""What a save of the device record costs, in time, against the bare calls on the same medium.

The bare calls have the same durability and nothing else. On a device that is open
(for nobody else, and past the page cache), one pwrite of the slot, fsync, pread of
it, close; in a file system a file written beside, fsync, rename, fsync of the
directory, and read. Fewer cannot be had: without the first sync a cut leaves
neither record, without the second the name may be lost, and what was not read back
is only hoped for.

The dialog id is saved in one copy, so the floor is those calls once. What must
not be lost is saved in two, of which the second may not begin before the first is
down (a cut in both at once would leave nothing): there it is those calls twice.
A sealed save starts a child that encrypts; its floor has a child that imports
the cipher and does nothing.

    python -m bench.storage_save TARGET [--runs N] [--json]

measures a medium of your own, for example ``ubi:/dev/ubi0_0``; **what mmid has
there is lost**. Flash that must be erased has no bare calls to compare with:
there the floor is one change of a slot through the same driver.
"""

import argparse
import json
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.__main__ import line
from bench.figure import Effort, Figure
from mmid.hal_linux.storage import medium_of
from mmid.hal_linux.storage.record_format import encode
from mmid.hal_linux.storage.sealing import Sealing
from mmid.hal_linux.storage.slots import SlotStore
from mmid.secrets import Secret

# A record with all fields is about this long.
_PAYLOAD_BYTES = 600
_BLOCK_BYTES = 8192
# Between the two slots.
_BARE_AT = 16 * 1024
_GOAL = 1.3
# Of a millisecond or two: the median of sixteen moves by a tenth.
_SAVES = 64
# Longer than a tick of any kernel.
_REST_S = 0.012

_IMPORT_CIPHER = "from cryptography.hazmat.primitives.ciphers.aead import AESGCM"

Write = Callable[[bytes], None]


def measure(effort: Effort) -> Iterator[Figure]:
    """Measure a file and, where the machine has loop devices, a block device over one."""
    runs = effort.times(_SAVES, least=3)
    with _own_targets() as targets:
        for target in targets:
            yield from _figures(target, runs)


def _figures(target: str, runs: int) -> Iterator[Figure]:
    kind = target.partition(":")[0]
    store = SlotStore(medium_of(target), force=True)
    store.erase()
    store.save(_payload())
    with _bare(target) as bare:
        for name, both in (("dialog id, one copy", False), ("registration, two copies", True)):
            copies = 2 if both else 1
            times = [
                (
                    _timed_ms(lambda payload: store.save(payload, both=both)),  # noqa: B023
                    sum(_timed_ms(bare) for _ in range(copies)),
                )
                for _ in range(runs)
            ]
            ours, floors = zip(*times, strict=True)
            what = f"save on {kind}, {name}"
            yield Figure(what, "ms", ours, f"the bare calls, {copies} times", floors, _GOAL)
        yield _sealed(target, max(2, runs // 8), bare)


def _sealed(target: str, runs: int, bare: Write) -> Figure:
    """Measure a save that is sealed in a child."""
    sealing = Sealing(Secret(os.urandom(32).hex()))
    store = SlotStore(medium_of(target), sealing=sealing, force=True)
    store.save(_payload())
    ours, floors = [], []
    for _ in range(runs):
        ours.append(_timed_ms(store.save))
        floors.append(_timed_ms(bare) + _timed_ms(bare) + _timed_ms(_child))
    what = f"save on {target.partition(':')[0]}, sealed"
    return Figure(what, "ms", ours, "the bare calls, and a child with the cipher", floors)


def _child(_: bytes) -> None:
    subprocess.run([sys.executable, "-c", _IMPORT_CIPHER], check=True)


def _payload() -> bytes:
    return os.urandom(_PAYLOAD_BYTES // 2).hex().encode()


def _timed_ms(write: Write) -> float:
    """Time one write, in a tick of its own: the first one of a tick pays for the file's time."""
    payload = _payload()
    time.sleep(_REST_S)
    started = time.perf_counter()
    write(payload)
    return (time.perf_counter() - started) * 1000


@contextmanager
def _bare(target: str) -> Iterator[Write]:
    """Give what makes one copy of a record durable and reads it back, with bare calls."""
    kind, _, place = target.partition(":")
    with ExitStack() as stack:
        if kind == "block":
            buffer = stack.enter_context(mmap.mmap(-1, _BLOCK_BYTES))
            yield lambda payload: _write_block(place, buffer, encode(9, payload))
            _write_block(place, buffer, bytes(_BLOCK_BYTES))
        elif kind == "file":
            directory = os.open(Path(place).parent, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, directory)
            yield lambda payload: _write_file(directory, f"{place}.bare", encode(9, payload))
        else:
            # Opened anew each time, as a save does: while it is open it is locked.
            def change(payload: bytes) -> None:
                with medium_of(target).opened(write=True) as slots:
                    slots.write(1, encode(9, payload))
                    slots.read(1)

            yield change


def _write_block(path: str, buffer: mmap.mmap, data: bytes) -> None:
    buffer[: len(data)] = data
    descriptor = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_EXCL)
    os.pwrite(descriptor, buffer, _BARE_AT)
    os.fsync(descriptor)
    os.preadv(descriptor, [buffer], _BARE_AT)
    os.close(descriptor)


def _write_file(directory: int, path: str, data: bytes) -> None:
    new = f"{path}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(descriptor, data)
    os.fsync(descriptor)
    os.close(descriptor)
    os.rename(new, path)  # noqa: PTH104 - bare calls
    os.fsync(directory)
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.read(descriptor, len(data))
    os.close(descriptor)


@contextmanager
def _own_targets() -> Iterator[list[str]]:
    """Make a file and, if the machine lets us, a loop device."""
    with tempfile.TemporaryDirectory(prefix="mmid-bench-") as directory:
        targets = [f"file:{directory}/device.bin"]
        image = Path(directory, "device.img")
        image.write_bytes(bytes(1 << 20))
        losetup = shutil.which("losetup", path="/usr/sbin:/sbin:/usr/bin:/bin") or "false"
        made = subprocess.run(
            [losetup, "--find", "--show", image], capture_output=True, text=True, check=False
        )
        device = made.stdout.strip()
        try:
            yield [f"block:{device}", *targets] if device else targets
        finally:
            if device:
                subprocess.run([losetup, "--detach", device], check=True)


def main() -> None:
    """Measure the medium that the command line names."""
    parser = argparse.ArgumentParser(prog="bench.storage_save")
    parser.add_argument("target", help="as in storage.target; what mmid has there is lost")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="a JSON object for each figure")
    options = parser.parse_args()
    for figure in _figures(options.target, options.runs):
        print(json.dumps(figure.plain()) if options.json else line(figure))


if __name__ == "__main__":
    main()
