"""What a save costs: its time, as a ratio to writing and reading the same bytes bare.

    python -m bench.storage_save [--target TARGET]... [--runs N] [--json]

Bare is one pwrite, fsync and pread of the record on the same medium, in the
same run, in turn with the saves; the figure that counts is the ratio of the
medians. A save writes two copies and reads both back, after it looked at what
is there, so it cannot be below two. ``sealed`` adds a child process that
encrypts; ``same`` saves what is there already, and writes nothing.

Without ``--target`` it measures a file in the temporary directory and, where
the machine has loop devices, a block device over such a file. What mmid has in
a target is lost. Flash that must be erased has no bare write to compare with:
there, bare is one erase, write and read of one copy through the same driver.
"""

import argparse
import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mmid.hal_linux.storage import medium_of
from mmid.hal_linux.storage.record_format import encode
from mmid.hal_linux.storage.sealing import Sealing
from mmid.hal_linux.storage.slots import SlotStore
from mmid.hal_linux.storage.system_calls import SystemCalls
from mmid.redaction import Secret

# A record with all fields is about this long.
PAYLOAD_BYTES = 600
BLOCK_BYTES = 8192


@dataclass(frozen=True)
class Figure:
    """The medians for one target, in milliseconds, and their ratios to the bare one."""

    target: str
    runs: int
    bare_ms: float
    save_ms: float
    sealed_ms: float
    same_ms: float
    save_ratio: float
    sealed_ratio: float
    same_ratio: float


def measure(target: str, runs: int) -> Figure:
    """Take turns between bare writes and saves."""
    plain = SlotStore(medium_of(target), force=True)
    sealed = SlotStore(medium_of(target), sealing=Sealing(Secret(os.urandom(32).hex())), force=True)
    plain.erase()
    plain.save(_payload())
    times: dict[str, list[float]] = {"bare": [], "save": [], "sealed": [], "same": []}
    for _ in range(runs):
        payload = _payload()
        again = functools.partial(plain.save, payload)
        times["save"].append(_timed(again))
        times["same"].append(_timed(again))
        times["sealed"].append(_timed(lambda: sealed.save(_payload())))
        plain.save(_payload())
        with _bare(target) as write:
            times["bare"].append(_timed(write))
    bare, save, encrypted, same = (statistics.median(times[name]) * 1000 for name in times)
    return Figure(
        target,
        runs,
        *(round(value, 3) for value in (bare, save, encrypted, same)),
        *(round(value / bare, 2) for value in (save, encrypted, same)),
    )


def _payload() -> bytes:
    return os.urandom(PAYLOAD_BYTES // 2).hex().encode()


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


@contextmanager
def _bare(target: str) -> Iterator[Callable[[], object]]:
    """Give what writes one record with bare calls, and leave the medium as it was."""
    kind, _, place = target.partition(":")
    calls, data = SystemCalls(), encode(9, _payload())
    if kind in {"mtd", "ubi"}:
        with medium_of(target).opened(write=True) as slots:
            before = slots.read(1) or b""

            def replace() -> None:
                slots.write(1, data)
                slots.read(1)

            yield replace
            slots.write(1, before)
        return
    direct = os.O_DIRECT if kind == "block" else 0
    path = place if kind == "block" else f"{place}.bare"
    offset = 16 * 1024 if kind == "block" else 0  # between the slots
    whole = data.ljust(BLOCK_BYTES, b"\x00")
    descriptor = calls.open(path, os.O_RDWR | os.O_CREAT * (kind == "file") | direct)

    def write() -> None:
        calls.write_at(descriptor, whole if direct else data, offset)
        calls.sync(descriptor)
        calls.read_at(descriptor, len(whole), offset)

    try:
        if kind == "file":
            write()  # the file is there, as the record's is
        yield write
        calls.write_at(descriptor, bytes(BLOCK_BYTES), offset)
    finally:
        calls.close(descriptor)


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
            yield [*targets, f"block:{device}"] if device else targets
        finally:
            if device:
                subprocess.run([losetup, "--detach", device], check=True)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="bench.storage_save", description=__doc__)
    parser.add_argument("--target", action="append", help="as in storage.target")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with _own_targets() as own:
        figures = [measure(target, max(5, options.runs)) for target in options.target or own]
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures]))
        return 0
    print(f"{'target':44} {'bare ms':>8} {'save':>7} {'sealed':>7} {'same':>7}   as ratios to bare")
    for figure in figures:
        print(
            f"{figure.target[-44:]:44} {figure.bare_ms:8.2f} {figure.save_ratio:6.1f}x "
            f"{figure.sealed_ratio:6.1f}x {figure.same_ratio:6.1f}x"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
