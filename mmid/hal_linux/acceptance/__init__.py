"""The vendor's acceptance test: memory, time, storage, random, mutex, on the real board.

The vendor's SDK brings a test library that a port must pass before the
product may be registered; its log is sent to the vendor. Here each function
exercises one module and returns a ``CheckResult``; the command ``mmid hal-test``
prints the log. What the SDK asks of a module is said in license section 6.
"""

import mmap
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mmid.errors import StorageFailed
from mmid.hal import Clock
from mmid.hal_linux.storage.slots import SlotStore

# How os.getrandom is called: a number of bytes, and flags.
_Draw = Callable[[int, int], bytes]

# Larger than any buffer of mmid, small for every board.
_MEMORY_BYTES = 1 << 20
_PATTERNS = (b"\x00", b"\xff", b"\x55\xaa", b"mmid")

# A sleep never ends early, but for a clock's grain; on a loaded board it ends late.
_SLEEP_S = 0.1
_EARLY_S = 0.001
_LATE_S = 1.0
_APART_S = 0.05
_READINGS = 5

# Of 32768 random bits the number of ones has a standard deviation of 91; a sound
# generator is six of these off once in 500 million runs.
_RANDOM_BYTES = 4096
_ONES_SPREAD = 6 * 91
_DRAWS = 1000
_NONCE_BYTES = 13

_LOCK_WAIT_S = 0.05
_LOCK_LONGEST_S = 5.0
_THREADS = 4
_ROUNDS = 2000


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check.

    Attributes:
        check: what was checked, in a word.
        passed: whether it may go to a customer.
        detail: why not; or, when it passed, what was found.
        measured: the numbers behind it, for the factory's statistics; a unit
            is part of a name.
    """

    check: str
    passed: bool
    detail: str
    measured: Mapping[str, int | float | str] = field(default_factory=dict)


def check_memory() -> CheckResult:
    """Take memory from the kernel, write and read all of it, and give it back."""
    for pattern in _PATTERNS:
        expected = pattern * (_MEMORY_BYTES // len(pattern))
        try:
            with mmap.mmap(-1, _MEMORY_BYTES) as block:
                if block[:].strip(b"\x00"):
                    return CheckResult("memory", False, "new memory is not zero")
                block[:] = expected
                if block[:] != expected:
                    return CheckResult("memory", False, f"{pattern!r} does not read back")
        except (OSError, MemoryError) as error:
            return CheckResult("memory", False, f"{_MEMORY_BYTES} bytes cannot be had: {error}")
    detail = f"{_MEMORY_BYTES} bytes, {len(_PATTERNS)} patterns"
    return CheckResult("memory", True, detail, {"bytes": _MEMORY_BYTES})


def check_time(clock: Clock) -> CheckResult:
    """Check that the wall clock can be trusted, and that both clocks run and agree."""
    wall_ms, before_s, started = clock.now_ms(), _apart_s(clock), clock.monotonic()
    measured = {"now_ms": wall_ms}
    if not clock.synchronized:
        reason = "the clock is not set: give the board its time (NTP or an RTC) and test again"
        return CheckResult("time", False, reason, measured)
    time.sleep(_SLEEP_S)
    lasted = clock.monotonic() - started
    wall_lasted = lasted + _apart_s(clock) - before_s
    slept = f"a sleep of {_SLEEP_S:g} s lasted"
    if not _SLEEP_S - _EARLY_S <= lasted <= _SLEEP_S + _LATE_S:
        return CheckResult("time", False, f"{slept} {lasted:.3f} s", measured)
    if abs(wall_lasted - lasted) > _APART_S:
        reason = (
            f"{slept} {lasted:.3f} s, but {wall_lasted:.3f} s by the wall clock: it was set "
            "meanwhile, or runs wrong"
        )
        return CheckResult("time", False, reason, measured)
    return CheckResult("time", True, f"{slept} {lasted * 1000:.0f} ms", measured)


def _apart_s(clock: Clock) -> float:
    """Return by how much the wall clock is ahead of the monotonic one.

    They cannot be read at once; of some readings the quickest is the truest.
    """
    readings = []
    for _ in range(_READINGS):
        before = clock.monotonic()
        wall = clock.now_ms() / 1000
        readings.append((clock.monotonic() - before, wall - before))
    return min(readings)[1]


def check_storage(store: SlotStore, nothing: bytes) -> CheckResult:
    """Write the record and read it back; it stays what it was, wherever power is cut.

    A stored record is written once more as it is. An empty store gets
    ``nothing``, a payload that means an empty record, and is erased again.

    Args:
        store: the real one; nobody else may use it meanwhile.
        nothing: the payload of a record without a field.
    """
    began = time.monotonic()
    try:
        before = store.load()
        payload = nothing if before is None else before
        store.save(payload, always=True)
        if store.load() != payload:
            return CheckResult("storage", False, f"{store.name} does not hold what was written")
        if before is None:
            store.erase()
            if store.load() is not None:
                return CheckResult("storage", False, f"{store.name} cannot be erased")
    except StorageFailed as error:
        return CheckResult("storage", False, str(error))
    lasted_ms = round((time.monotonic() - began) * 1000, 1)
    detail = f"{store.name} holds {'no record' if before is None else f'{len(payload)} bytes'}"
    measured = {"bytes": len(before or b""), "ms": lasted_ms}
    return CheckResult("storage", True, f"{detail}, unchanged", measured)


def check_random(draw: _Draw = os.getrandom) -> CheckResult:
    """Check that the kernel's generator is seeded and gives what no one has seen before."""
    try:
        data = draw(_RANDOM_BYTES, os.GRND_NONBLOCK)
        nonces = {draw(_NONCE_BYTES, os.GRND_NONBLOCK) for _ in range(_DRAWS)}
    except BlockingIOError:
        reason = (
            "the kernel's generator is not seeded yet: give it a hardware source or a seed file"
        )
        return CheckResult("random", False, reason)
    ones = sum(byte.bit_count() for byte in data)
    measured = {"ones": ones, "of_bits": 8 * _RANDOM_BYTES}
    if abs(ones - 4 * _RANDOM_BYTES) > _ONES_SPREAD:
        reason = f"{ones} of {8 * _RANDOM_BYTES} bits are ones: that is not chance"
        return CheckResult("random", False, reason, measured)
    if len(nonces) < _DRAWS:
        reason = f"{_DRAWS - len(nonces)} of {_DRAWS} nonces came twice"
        return CheckResult("random", False, reason, measured)
    return CheckResult("random", True, f"{_DRAWS} nonces, each new", measured)


def check_mutex() -> CheckResult:
    """Check that a lock excludes, times out, and is had when it is released."""
    lock = threading.Lock()
    with lock:
        began = time.monotonic()
        if lock.acquire(timeout=_LOCK_WAIT_S):
            return CheckResult("mutex", False, "a lock was taken twice")
        if time.monotonic() - began < _LOCK_WAIT_S - _EARLY_S:
            return CheckResult("mutex", False, "the time-out of a lock came early")
    count = _count_together(lock)
    if count != _THREADS * _ROUNDS:
        reason = f"{_THREADS} threads counted to {count}, not to {_THREADS * _ROUNDS}"
        return CheckResult("mutex", False, reason)
    return CheckResult("mutex", True, f"{_THREADS} threads counted to {count}", {"count": count})


def _count_together(lock: threading.Lock) -> int:
    """Have threads count in small steps that only a lock keeps apart."""
    total = 0

    def count() -> None:
        nonlocal total
        for _ in range(_ROUNDS):
            if not lock.acquire(timeout=_LOCK_LONGEST_S):
                return
            seen = total
            if not seen % 100:
                time.sleep(0)  # here another thread would get in between
            total = seen + 1
            lock.release()

    threads = [threading.Thread(target=count, name=f"mmid-count-{n}") for n in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * _LOCK_LONGEST_S)
    return total
