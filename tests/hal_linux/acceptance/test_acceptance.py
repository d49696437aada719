import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mmid.errors import StorageFailed
from mmid.hal_linux import acceptance
from mmid.hal_linux.storage import describe, open_store
from mmid.hal_linux.storage.file_store import FileMedium
from mmid.hal_linux.storage.slots import SlotStore
from mmid.hal_linux.time.clock import KernelClock

NOTHING = bytes(4)


class StrangeClock(KernelClock):
    """The real clock, put wrong in one way."""

    def __init__(self, *, is_set: bool = True, wall: float = 1.0, sleep: float = 1.0) -> None:
        super().__init__(require_sync=False)
        self._is_set, self._wall, self._sleep = is_set, wall, sleep

    @property
    def synchronized(self) -> bool:
        return self._is_set

    def monotonic(self) -> float:
        return super().monotonic() * self._sleep

    def now_ms(self) -> int:
        return int(super().now_ms() * self._wall)


class FailingStore(SlotStore):
    """Another store in the same file, whose medium has a fault."""

    def __init__(self, store: SlotStore, fault: str) -> None:
        super().__init__(FileMedium(Path(store.name.removeprefix("file:"))))
        self.fault = fault
        self.saved: list[bytes] = []

    def load(self) -> bytes | None:
        found = super().load()
        return b"\0" + found[1:] if found and self.fault == "bits" and self.saved else found

    def save(self, payload: bytes, *, always: bool = False, both: bool = True) -> None:
        if self.fault == "full":
            raise StorageFailed(f"{self.name} cannot be written: No space left on device")
        self.saved.append(payload)
        super().save(payload, always=always, both=both)

    def erase(self) -> None:
        if self.fault != "erase":
            super().erase()


@pytest.fixture
def store(tmp_path: Path) -> SlotStore:
    return open_store(f"file:{tmp_path}/device.bin")


def test_the_memory_of_this_machine_passes() -> None:
    assert acceptance.check_memory().passed


def test_the_clock_of_this_machine_passes_and_is_told_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    result = acceptance.check_time(KernelClock(require_sync=False))
    assert result.passed
    assert before <= int(result.measured["now_ms"]) <= time.time_ns() // 1_000_000


@pytest.mark.parametrize(
    ("clock", "reason"),
    [
        (StrangeClock(is_set=False), "the clock is not set"),
        (StrangeClock(sleep=0.05), "a sleep of 0.1 s lasted 0.0"),
        (StrangeClock(wall=3.0), "by the wall clock"),
    ],
    ids=["not set", "too fast", "apart"],
)
def test_a_clock_that_is_wrong_fails_and_is_told_all_the_same(
    clock: StrangeClock, reason: str
) -> None:
    result = acceptance.check_time(clock)
    assert not result.passed
    assert reason in result.detail
    assert "now_ms" in result.measured


def test_a_stored_record_is_the_same_after_the_test(store: SlotStore) -> None:
    store.save(b"the registration", always=False)
    assert acceptance.check_storage(store, NOTHING).passed
    assert store.load() == b"the registration"


def test_a_stored_record_is_really_written_and_not_only_compared(tmp_path: Path) -> None:
    target = f"file:{tmp_path}/device.bin"
    open_store(target).save(b"the registration")
    acceptance.check_storage(open_store(target), NOTHING)
    assert [slot.sequence for slot in describe(target)] == [2, 2]


def test_only_what_was_stored_is_ever_written(store: SlotStore) -> None:
    store.save(b"the registration", always=False)
    noting = FailingStore(store, "")
    acceptance.check_storage(noting, NOTHING)
    assert noting.saved == [b"the registration"]


def test_an_empty_store_is_empty_again_and_held_nothing_that_means_something(
    store: SlotStore,
) -> None:
    noting = FailingStore(store, "")
    assert acceptance.check_storage(noting, NOTHING).passed
    assert noting.saved == [NOTHING]
    assert store.load() is None


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("full", "No space left"), ("bits", "does not hold"), ("erase", "cannot be erased")],
)
def test_a_failing_medium_fails_and_says_why(store: SlotStore, fault: str, reason: str) -> None:
    result = acceptance.check_storage(FailingStore(store, fault), b"\1234")
    assert not result.passed
    assert reason in result.detail


def test_the_randomness_of_this_machine_passes() -> None:
    assert acceptance.check_random().passed


def unseeded(count: int, flags: int) -> bytes:
    assert flags & os.GRND_NONBLOCK
    raise BlockingIOError


def one_sided(count: int, flags: int) -> bytes:
    return bytes(value | 1 for value in os.urandom(count))


def forgetful(count: int, flags: int) -> bytes:
    return random.Random(count).randbytes(count)  # noqa: S311 - that is its fault


@pytest.mark.parametrize(
    ("draw", "reason"),
    [(unseeded, "not seeded"), (one_sided, "not chance"), (forgetful, "came twice")],
)
def test_bad_randomness_fails_and_says_why(draw: Callable[[int, int], bytes], reason: str) -> None:
    result = acceptance.check_random(draw)
    assert not result.passed
    assert reason in result.detail


def test_the_locks_of_this_machine_pass() -> None:
    assert acceptance.check_mutex().passed


class NoLock:
    """Lets everybody in."""

    def __init__(self, answer: bool) -> None:
        self._answer = answer

    def acquire(self, timeout: float = -1) -> bool:  # noqa: ARG002
        return self._answer

    def release(self) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("answer", "reason"), [(True, "taken twice"), (False, "the time-out of a lock came early")]
)
def test_a_lock_that_does_not_exclude_fails(
    monkeypatch: pytest.MonkeyPatch, answer: bool, reason: str
) -> None:
    monkeypatch.setattr("mmid.hal_linux.acceptance.threading.Lock", lambda: NoLock(answer))
    result = acceptance.check_mutex()
    assert not result.passed
    assert reason in result.detail
