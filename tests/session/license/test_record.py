"""The device record as bytes and back."""

import struct
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.errors import StorageFailed
from mmid.secrets import Secret
from mmid.session.license.messages import Unopened
from mmid.session.license.record import REGISTERED_FLAGS, DeviceRecord, Pending

TRIPLE = DeviceRecord(
    app_id="mm_0123",
    device_name="board1",
    nonce="ab" * 13,
    device_secret=Secret("c0ffee" * 5 + "00"),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)
PENDING = st.builds(Pending, TEXT.filter(bool), TEXT, st.integers(0, 1 << 60))
WORD = st.text("0123456789abcdef", min_size=1, max_size=26)
UNOPENED = st.builds(
    Unopened, WORD, WORD, st.integers(0, 1 << 60), TEXT, st.just(Secret("")) | WORD.map(Secret)
)
RECORDS = st.builds(
    DeviceRecord,
    app_id=TEXT,
    app_secret=TEXT.map(Secret),
    device_name=TEXT,
    nonce=TEXT,
    device_secret=TEXT.map(Secret),
    dialog_id=TEXT,
    workspace_id=TEXT,
    pending=st.none() | PENDING,
    unopened=st.none() | UNOPENED,
    codec_state=TEXT.map(Secret),
    activated_name=TEXT,
    unknown=st.dictionaries(st.sampled_from([7, 14, 20, 31]), st.binary(max_size=64)),
)


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record: DeviceRecord) -> None:
    assert DeviceRecord.decode(record.encode()) == record


@given(st.binary(max_size=64))
def test_any_bytes_are_either_refused_or_a_record(payload: bytes) -> None:
    with suppress(StorageFailed):
        record = DeviceRecord.decode(payload)
        assert DeviceRecord.decode(record.encode()) == record


@given(RECORDS, st.data())
def test_a_record_that_is_cut_off_anywhere_is_refused(
    record: DeviceRecord, data: st.DataObject
) -> None:
    payload = record.encode()
    length = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(StorageFailed, match="damaged"):
        DeviceRecord.decode(payload[:length])


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(TRIPLE.encode() + b"\0", id="bytes behind the last field"),
        pytest.param(struct.pack(">IH2s", 1, 2, b"\xff\xfe"), id="an AppId that is no UTF-8"),
        pytest.param(struct.pack(">IHsH3s", 1 << 8 | 1 << 10, 1, b"x", 3, b"now"), id="a time"),
    ],
)
def test_a_damaged_record_is_refused(payload: bytes) -> None:
    with pytest.raises(StorageFailed, match="the device record is damaged"):
        DeviceRecord.decode(payload)


def test_the_layout_is_the_documented_one() -> None:
    record = DeviceRecord(app_id="mm_1", dialog_id="d")
    assert record.encode() == b"\0\0\0\x21" + b"\0\x04mm_1" + b"\0\x01d"


def test_the_flags_of_a_license_triple_are_the_vendors() -> None:
    assert REGISTERED_FLAGS == 0x1D
    assert TRIPLE.flags == 0x1D
    assert TRIPLE.registered


@pytest.mark.parametrize("missing", ["app_id", "device_name", "nonce", "device_secret"])
def test_without_one_of_its_four_fields_a_device_is_not_registered(missing: str) -> None:
    empty: object = Secret("") if missing == "device_secret" else ""
    assert not replace(TRIPLE, **{missing: empty}).registered  # type: ignore[arg-type]


def test_the_product_secret_is_not_needed_after_registration() -> None:
    assert replace(TRIPLE, app_secret=Secret("")).registered


def test_a_pending_registration_is_no_registration_and_ends_with_the_triple() -> None:
    waiting = DeviceRecord(
        app_id="mm_0123", device_name="board1", pending=Pending("board1", "cd" * 13, 5)
    )
    assert not waiting.registered
    done = waiting.with_triple(nonce="cd" * 13, device_secret=TRIPLE.device_secret)
    assert done.registered
    assert done.pending is None


def test_fields_of_a_later_version_survive() -> None:
    payload = replace(TRIPLE, unknown={14: b"\xff later"}).encode()
    read = DeviceRecord.decode(payload)
    assert replace(read, dialog_id="d").encode() != payload
    assert DeviceRecord.decode(replace(read, dialog_id="d").encode()).unknown == {14: b"\xff later"}


def test_no_secret_is_printed_with_a_record() -> None:
    record = replace(TRIPLE, app_secret=Secret("feedface" * 4))
    for text in (repr(record), str(record), f"{record}"):
        assert "feedface" not in text
        assert "c0ffee" not in text


KEPT = Unopened("board1", "cd" * 13, 5, '{"nonce":"n","signature":"with spaces"}')


def test_an_answer_that_nobody_could_open_is_kept_until_the_triple_is_there() -> None:
    waiting = replace(TRIPLE, nonce="", device_secret=Secret("")).with_unopened(KEPT)
    read = DeviceRecord.decode(waiting.encode())
    assert read.unopened == KEPT
    assert not read.registered
    assert read.with_triple(nonce="ab", device_secret=TRIPLE.device_secret).unopened is None


def test_an_answer_that_is_longer_than_any_is_not_kept() -> None:
    with pytest.raises(StorageFailed, match="too long"):
        TRIPLE.with_unopened(replace(KEPT, data="x" * 4000))


@pytest.mark.parametrize("text", [b"board1 nonce 5 -", b"board1 nonce soon - {}", b""])
def test_a_kept_answer_that_is_damaged_is_not_guessed_at(text: bytes) -> None:
    payload = struct.pack(">IH", 1 << 11, len(text)) + text
    with pytest.raises(StorageFailed, match="damaged"):
        DeviceRecord.decode(payload)


def test_the_state_of_a_vendors_codec_is_a_registration_too() -> None:
    record = DeviceRecord(app_id="mm_0123", device_name="board1", codec_state=Secret("00" * 176))
    assert record.registered
    assert DeviceRecord.decode(record.encode()) == record
    assert not replace(record, device_name="").registered
    assert "0000" not in repr(record)


@pytest.mark.parametrize("text", ["board1 ab swordfish - {}", "board1 ab \u0663 - {}"])
def test_the_message_about_a_damaged_record_quotes_nothing_of_it(text: str) -> None:
    value = text.encode()
    payload = (1 << 11).to_bytes(4, "big") + len(value).to_bytes(2, "big") + value
    with pytest.raises(StorageFailed, match="a time is no number") as caught:
        DeviceRecord.decode(payload)
    assert "swordfish" not in repr(caught.value)
