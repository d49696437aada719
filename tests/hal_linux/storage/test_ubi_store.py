import pytest

from mmid.errors import StorageFailed
from mmid.hal_linux.storage import system_calls
from mmid.hal_linux.storage.record_format import encode
from tests.hal_linux.storage.medium_doubles import UbiDouble
from tests.hal_linux.storage.simulated_cuts import store_on


def test_each_copy_has_a_block() -> None:
    double = UbiDouble()
    store_on(double).save(b"payload")
    assert double.state() == (encode(1, b"payload"),) * 2


def test_erasing_unmaps_both_blocks() -> None:
    double = UbiDouble()
    store_on(double).save(b"payload")
    store_on(double).erase()
    assert double.state() == (b"", b"")


def test_a_reader_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_calls, "_LOCK_POLL_S", 0.001)
    double = UbiDouble()
    double.busy = 3
    store_on(double).save(b"payload")
    assert store_on(double).load() == b"payload"


def test_a_reader_that_stays_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_calls, "_LOCK_POLL_S", 0.001)
    monkeypatch.setattr(system_calls, "LOCK_TIMEOUT_S", 0.02)
    double = UbiDouble()
    double.busy = 10**9
    with pytest.raises(StorageFailed, match="cannot be written: Device or resource busy"):
        store_on(double).save(b"payload")


class Static(UbiDouble):
    kind = "static"


class OneBlock(UbiDouble):
    blocks = 1


class SmallBlocks(UbiDouble):
    block_bytes = 4096


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Static, "is a static UBI volume"),
        (OneBlock, "has 1 blocks of 15872 bytes"),
        (SmallBlocks, "has 2 blocks of 4096 bytes"),
    ],
)
def test_a_volume_that_cannot_hold_two_copies_is_refused(kind: type[UbiDouble], words: str) -> None:
    with pytest.raises(StorageFailed, match=words):
        store_on(kind()).load()


def test_what_is_no_volume_is_refused() -> None:
    double = UbiDouble()
    double.files.clear()
    with pytest.raises(StorageFailed, match="/dev/ubi0_0 is not a UBI volume"):
        store_on(double).load()
