import errno
import os
from collections.abc import Callable
from typing import Any, cast

import pytest

from mmid.errors import StorageFailed
from mmid.hal_linux.storage import medium_of
from mmid.hal_linux.storage.record_format import (
    INITIAL_BYTES,
    LAST_SEQUENCE,
    Flag,
    Record,
    decode,
    encode,
)
from mmid.hal_linux.storage.sealing import Sealing
from mmid.hal_linux.storage.slots import SlotState, SlotStore
from mmid.hal_linux.storage.system_calls import SystemCalls
from mmid.secrets import Secret
from tests.hal_linux.storage.medium_doubles import BlockDouble, Double, UbiDouble, spliced
from tests.hal_linux.storage.simulated_cuts import KINDS, store_on

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))

LATER = encode(9, b"payload", Flag(4))
FOREIGN = b"something of somebody else"
TORN = encode(3, b"payload")[:-1]


def ubi_store(first: bytes, second: bytes, **options: Any) -> tuple[UbiDouble, SlotStore]:
    """A store whose slots hold these bytes."""
    double = UbiDouble((first, second))
    return double, SlotStore(medium_of(double.target, double), **options)


@each_kind
def test_what_was_saved_is_loaded_by_the_next_start(kind: type[Double]) -> None:
    double = kind()
    assert store_on(double).load() is None
    for payload in (b"one", b"", bytes(range(256)) * 16, b"two"):
        store_on(double).save(payload)
        assert store_on(kind(double.state())).load() == payload


@each_kind
def test_what_is_stored_already_is_not_written_again(kind: type[Double]) -> None:
    double = kind()
    store_on(double).save(b"one")
    before, changes = double.state(), double.changes
    for _ in range(100):
        store_on(double).save(b"one")
        store_on(double).load()
    assert double.changes == changes
    assert double.state() == before


@each_kind
def test_erased_is_as_never_written_and_leaves_no_byte_of_the_secret(kind: type[Double]) -> None:
    double = kind()
    store_on(double).save(b"the long secret" * 100)
    store_on(double).save(b"the secret")
    store_on(double).erase()
    assert store_on(double).load() is None
    assert b"secret" not in str(double.state()).encode()
    changes = double.changes
    store_on(double).erase()
    assert double.changes == changes
    store_on(double).save(b"again")
    assert store_on(double).load() == b"again"


@each_kind
def test_erasing_what_is_new_writes_nothing(kind: type[Double]) -> None:
    double = kind()
    store_on(double).erase()
    assert double.changes == 0


class Failing:
    """A double whose n-th call fails, once."""

    def __init__(self, double: Double, at: int, code: int) -> None:
        self.log: list[str] = []
        self._double = double
        self._at = at
        self._code = code

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._double, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.log.append(name)
            if len(self.log) - 1 == self._at and name != "close":
                raise OSError(self._code, os.strerror(self._code))
            return call(*args, **kwargs)

        return counted


@each_kind
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
def test_an_error_at_any_call_is_named_or_survived(kind: type[Double], code: int) -> None:
    used = kind()
    store_on(used).save(b"old")
    rehearsal, failures = Failing(kind(used.state()), -1, code), 0
    SlotStore(medium_of(kind.target, cast("SystemCalls", rehearsal))).save(b"new")
    for at, name in enumerate(rehearsal.log):
        double = kind(used.state())
        medium = medium_of(double.target, cast("SystemCalls", Failing(double, at, code)))
        try:
            SlotStore(medium).save(b"new")
        except StorageFailed as error:
            failures += 1
            assert os.strerror(code) in str(error), name  # noqa: PT017 - it need not fail
            assert double.target in str(error), name  # noqa: PT017
            assert store_on(double).load() in (b"old", b"new")
        else:
            assert store_on(double).load() == b"new", name
        store_on(double).save(b"next")
        assert store_on(double).load() == b"next", name
    assert failures > 3


# --- two copies -----------------------------------------------------------------------------


@pytest.mark.parametrize("swap", [False, True])
def test_the_newest_copy_counts_and_the_older_one_is_written_first(swap: bool) -> None:
    copies = [encode(7, b"older"), encode(8, b"newer")]
    double, store = ubi_store(*(reversed(copies) if swap else copies))
    assert store.load() == b"newer"
    seen: list[tuple[bytes, ...]] = []
    double._on_cut = seen.append
    store.save(b"next")
    assert all(encode(8, b"newer") in state or encode(9, b"next") in state for state in seen)
    assert double.state() == (encode(9, b"next"),) * 2


@each_kind
def test_a_save_in_one_copy_goes_to_the_older_and_keeps_the_payload_before(
    kind: type[Double],
) -> None:
    double = kind()
    store_on(double).save(b"zero")
    for before, now in ((b"zero", b"one"), (b"one", b"two"), (b"two", b"three")):
        store_on(double).save(now, both=False)
        assert store_on(double).load() == now
        records = [copy.record for copy in store_on(double).inspect()]
        assert {record.body for record in records if record} == {before, now}


@each_kind
def test_a_save_in_one_copy_is_completed_by_the_next_in_both(kind: type[Double]) -> None:
    double = kind()
    store_on(double).save(b"one")
    store_on(double).save(b"two", both=False)
    store_on(double).save(b"two", both=False)
    store_on(double).save(b"two")
    first, second = store_on(double).inspect()
    assert first.record == second.record


@each_kind
def test_a_process_that_goes_on_saving_writes_what_a_new_one_would(kind: type[Double]) -> None:
    double, anew = kind(), kind()
    store = store_on(double)
    for number in range(6):
        payload = b"payload %d" % (number // 2)
        store.save(payload, both=number % 3 > 0)
        store_on(anew).save(payload, both=number % 3 > 0)
        assert double.state() == anew.state()
        assert double.changes == anew.changes
    store.erase()
    store.save(b"again")
    assert store_on(double).load() == b"again"


@each_kind
def test_what_was_erased_is_saved_again_by_the_same_process(kind: type[Double]) -> None:
    double = kind()
    store = store_on(double)
    store.save(b"payload")
    store.erase()
    store.save(b"payload")
    assert store_on(double).load() == b"payload"


def test_a_save_that_failed_makes_the_next_one_look_at_what_is_there() -> None:
    double, store = ubi_store(encode(3, b"payload"), encode(3, b"payload"))
    store.save(b"one")
    plain_ioctl, double.ioctl = double.ioctl, _worn_out  # type: ignore[method-assign]
    with pytest.raises(StorageFailed, match="Input/output error"):
        store.save(b"two")
    double.ioctl = plain_ioctl  # type: ignore[method-assign]
    double.restore((TORN, encode(8, b"somebody else's")))
    store.save(b"three")
    assert [copy.sequence for copy in store.inspect()] == [9, 9]


def _worn_out(descriptor: int, request: int, argument: bytes) -> tuple[int, bytes]:
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("left", [TORN, FOREIGN, b"", encode(2, b"older")])
def test_a_copy_that_is_not_the_newest_is_mended_alone(index: int, left: bytes) -> None:
    whole = encode(3, b"payload")
    double, store = ubi_store(*((left, whole) if index == 0 else (whole, left)))
    assert store.load() == b"payload"
    store.save(b"payload")
    assert double.state() == (whole, whole)
    assert double.changes == 3  # ask, write and sync, of one block


@pytest.mark.parametrize("index", [0, 1])
def test_a_copy_that_cannot_be_read_is_survived(index: int) -> None:
    double, store = ubi_store(encode(3, b"payload"), encode(3, b"payload"))
    pread = double.pread

    def failing(descriptor: int, length: int, offset: int) -> bytes:
        if (offset > 0) == index:
            raise OSError(errno.EBADMSG, "Bad message")
        return pread(descriptor, length, offset)

    double.pread = failing  # type: ignore[method-assign]
    assert store.load() == b"payload"
    assert store.inspect()[index].problem.endswith("Bad message")


def test_damage_everywhere_is_never_taken_for_a_new_device() -> None:
    for first, second in ((TORN, TORN), (TORN, b""), (b"", TORN)):
        double, store = ubi_store(first, second)
        for action in (store.load, lambda store=store: store.save(b"new")):
            with pytest.raises(StorageFailed, match=r"every copy .* is damaged"):
                action()
        assert double.changes == 0


def test_damage_is_overwritten_by_force_and_can_be_erased() -> None:
    _, store = ubi_store(TORN, TORN, force=True)
    store.save(b"new")
    assert store.load() == b"new"
    _, store = ubi_store(TORN, b"")
    store.erase()
    assert store.load() is None


# --- what is not ours -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (FOREIGN, b"", "something else"),
        (b"", FOREIGN, "something else"),
        (FOREIGN, TORN, "something else"),
        (b"\x31\x18\x10\x06" + bytes(60), b"", "a UBIFS file system"),
        (encode(1, b"payload"), b"\x31\x18\x10\x06" + bytes(60), "a UBIFS file system"),
        (encode(1, b"payload"), LATER, "a later one"),
        (LATER, b"", "a later one"),
        (b"", b"\xff" * 5000 + b"x", "data that is not blank"),
    ],
    ids=["first", "second", "damage-too", "ubifs", "ubifs-too", "later-too", "later", "behind"],
)
@pytest.mark.parametrize("action", ["load", "save", "erase"])
def test_what_is_not_ours_is_left_alone_without_force(
    first: bytes, second: bytes, words: str, action: str
) -> None:
    double, store = ubi_store(first, second)
    arguments = [b"new"] if action == "save" else []
    if action == "erase" and words == "data that is not blank":
        return  # blank slots: there is nothing to erase, and nothing is
    with pytest.raises(StorageFailed, match=words):
        getattr(store, action)(*arguments)
    assert double.changes == 0
    _, forced = ubi_store(first, second, force=True)
    forced.save(b"new")
    assert forced.load() == b"new"


def test_a_first_save_that_was_cut_leaves_a_new_device() -> None:
    for length in range(len(INITIAL_BYTES)):
        double = BlockDouble(spliced(bytes(BlockDouble.size_bytes), 0, INITIAL_BYTES[:length]))
        assert store_on(double).load() is None
        store_on(double).save(b"one")
        assert store_on(double).load() == b"one"


# --- sealing --------------------------------------------------------------------------------

KEY, OTHER_KEY = Secret("5a" * 32), Secret("a5" * 32)


def sealed_state() -> tuple[bytes, bytes]:
    double, store = ubi_store(b"", b"", sealing=Sealing(KEY))
    store.save(b"the payload")
    first, second = double.state()
    return first, second


def test_a_sealed_payload_is_not_on_the_medium_and_opens_with_its_key() -> None:
    state = sealed_state()
    assert state[0] == state[1]
    assert b"payload" not in state[0]
    double, store = ubi_store(*state, sealing=Sealing(KEY))
    assert store.load() == b"the payload"
    store.save(b"the payload")
    assert double.changes == 0


def test_a_sealed_record_without_its_key_is_never_taken_for_empty_or_overwritten() -> None:
    state = sealed_state()
    for sealing, words in ((None, "there is no key"), (Sealing(OTHER_KEY), "another one")):
        double, store = ubi_store(*state, sealing=sealing)
        with pytest.raises(StorageFailed, match=words) as caught:
            store.load()
        assert "storage_key" in f"{caught.value} {caught.value.remedy}"
        assert "storage.target" not in caught.value.remedy
        with pytest.raises(StorageFailed, match=words):
            store.save(b"new")
        assert double.changes == 0
        _, forced = ubi_store(*state, sealing=sealing, force=True)
        forced.save(b"new")
        assert forced.load() == b"new"


def test_a_sealed_record_can_be_erased_without_its_key() -> None:
    _, store = ubi_store(*sealed_state())
    store.erase()
    assert store.load() is None


PLAIN = encode(9, b"somebody else's")
PLAIN_ERASED = encode(9, b"", Flag.ERASED)


@pytest.mark.parametrize("planted", [PLAIN, PLAIN_ERASED], ids=["plain", "erased"])
@pytest.mark.parametrize("both", [False, True], ids=["one-copy", "both-copies"])
def test_with_a_key_what_is_not_sealed_is_refused(planted: bytes, both: bool) -> None:
    double, store = ubi_store(planted if both else sealed_state()[0], planted, sealing=Sealing(KEY))
    for action in (store.load, lambda: store.save(b"new")):
        with pytest.raises(StorageFailed, match="not sealed although there is a key"):
            action()
    assert double.changes == 0
    assert "not sealed" in store.problem_with(decoded(planted))


@pytest.mark.parametrize("at", [0, 64 * 1024])
def test_the_mark_of_a_new_medium_in_one_copy_unregisters_no_sealed_board(at: int) -> None:
    """It is the one plain record that counts with a key, and it is older than any other."""
    double = kept_in_a_partition(b"the payload")
    double.restore(spliced(double.state(), at, INITIAL_BYTES))
    store = SlotStore(medium_of(double.target, double), sealing=Sealing(KEY))
    assert store.load() == b"the payload"


@pytest.mark.parametrize("both", [False, True])
def test_where_mmid_makes_no_such_mark_it_is_refused_like_any_plain_record(both: bool) -> None:
    """The first record there has the number of the mark, so the mark could hide it."""
    beside = INITIAL_BYTES if both else sealed_state()[0]
    double, store = ubi_store(INITIAL_BYTES, beside, sealing=Sealing(KEY))
    for action in (store.load, lambda: store.save(b"new")):
        with pytest.raises(StorageFailed, match="not sealed although there is a key"):
            action()
    assert double.changes == 0


@pytest.mark.parametrize(
    "last", [encode(LAST_SEQUENCE, b"x"), encode(LAST_SEQUENCE, bytes(40), Flag.SEALED)]
)
def test_a_forged_last_number_does_not_make_a_sealed_medium_useless(last: bytes) -> None:
    double = BlockDouble()
    for at in (0, 64 * 1024):
        double.restore(spliced(double.state(), at, last))
    store = SlotStore(medium_of(double.target, double), sealing=Sealing(KEY))
    with pytest.raises(StorageFailed):
        store.save(b"new")
    store.erase()
    store.save(b"new")
    assert store.load() == b"new"


def test_a_plain_record_is_sealed_by_force() -> None:
    double, store = ubi_store(PLAIN, PLAIN, sealing=Sealing(KEY), force=True)
    store.save(b"somebody else's")
    assert b"somebody" not in b"".join(double.state())
    assert [copy.record.sealed for copy in store.inspect() if copy.record] == [True, True]
    assert store.load() == b"somebody else's"


def test_a_sealed_record_with_another_sequence_number_does_not_open() -> None:
    """An older record cannot be made to look newer than the one beside it."""
    double = kept_in_a_partition(b"old")
    old = double.state()
    store = SlotStore(medium_of(double.target, double), sealing=Sealing(KEY))
    store.save(b"new")
    record = decoded(old)
    double.restore(spliced(double.state(), 0, encode(99, record.body, record.flags)))
    with pytest.raises(StorageFailed, match="another one"):
        SlotStore(medium_of(double.target, double), sealing=Sealing(KEY)).load()


def test_an_erased_record_is_sealed_too_and_its_flag_cannot_be_changed() -> None:
    double = kept_in_a_partition(b"payload")
    store = SlotStore(medium_of(double.target, double), sealing=Sealing(KEY))
    store.erase()
    assert store.load() is None
    changes = double.changes
    store.erase()
    assert double.changes == changes
    record = decoded(double.state())
    assert (record.erased, record.sealed) == (True, True)
    as_payload = encode(record.sequence + 1, record.body, Flag.SEALED)
    double.restore(spliced(double.state(), 0, as_payload))
    with pytest.raises(StorageFailed, match="another one"):
        SlotStore(medium_of(double.target, double), sealing=Sealing(KEY)).load()


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "sealed"])
def test_a_record_with_the_last_sequence_number_of_all_can_be_erased(key: Secret | None) -> None:
    """Whoever can write the medium must not be able to make it useless for ever."""
    double = BlockDouble()
    last = encode(LAST_SEQUENCE, b"payload")
    for at in (0, 64 * 1024):
        double.restore(spliced(double.state(), at, last))
    sealing = Sealing(key) if key else None
    store = SlotStore(medium_of(double.target, double), sealing=sealing, force=True)
    with pytest.raises(StorageFailed, match="cannot go on; erase it"):
        store.save(b"new")
    store.erase()
    assert store.load() is None
    store.save(b"new")
    assert store.load() == b"new"


def kept_in_a_partition(payload: bytes) -> BlockDouble:
    """A partition with a sealed record."""
    double = BlockDouble()
    SlotStore(medium_of(double.target, double), sealing=Sealing(KEY)).save(payload)
    return double


def decoded(data: bytes) -> Record:
    record = decode(data, "here")
    assert record is not None
    return record


def test_the_same_payload_is_never_sealed_to_the_same_bytes() -> None:
    assert sealed_state()[0] != sealed_state()[0]


def test_inspecting_refuses_nothing() -> None:
    _, store = ubi_store(TORN, FOREIGN)
    states = [copy.state for copy in store.inspect()]
    assert states == [SlotState.DAMAGED, SlotState.FOREIGN]
