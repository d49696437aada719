import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.errors import StorageFailed
from mmid.hal_linux.record_format import MAX_PAYLOAD_BYTES, Record, decode, encode

HELLO = encode(1, b"hello")


def test_the_example_of_the_documentation_is_true() -> None:
    page = Path(__file__).parents[2] / "docs" / "record-format.md"
    (example,) = re.findall(r"^    (6d 6d [0-9a-f ]+)$", page.read_text(), re.MULTILINE)
    assert bytes.fromhex(example) == HELLO


@given(st.integers(0, 2**32 - 1), st.binary(max_size=MAX_PAYLOAD_BYTES), st.binary(max_size=64))
def test_what_was_encoded_is_decoded_whatever_follows(
    sequence: int, payload: bytes, rest: bytes
) -> None:
    assert decode(encode(sequence, payload) + rest, "here") == Record(sequence, payload)


@pytest.mark.parametrize("bit", range(4 * 8, len(HELLO) * 8))
def test_each_single_wrong_bit_is_damage(bit: int) -> None:
    data = bytearray(HELLO)
    data[bit // 8] ^= 1 << bit % 8
    assert decode(bytes(data), "here") is None


@pytest.mark.parametrize("length", range(len(HELLO)))
def test_a_record_cut_short_is_damage(length: int) -> None:
    assert decode(HELLO[:length], "here") is None


@pytest.mark.parametrize("data", [b"", bytes(64), b"\xff" * 64])
def test_blank_memory_is_damage_and_not_foreign(data: bytes) -> None:
    assert decode(data, "here") is None


@pytest.mark.parametrize("data", [b"root:x:0:0:", b"#", b"mmif" + HELLO[4:]])
def test_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(StorageFailed, match="/the/place holds something else"):
        decode(data, "/the/place")


def test_a_later_format_is_refused_and_not_taken_for_damage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mmid.hal_linux.record_format._VERSION", 2)
    later = encode(1, b"hello")
    monkeypatch.undo()
    with pytest.raises(StorageFailed, match="format 2"):
        decode(later, "here")


def test_a_payload_over_the_limit_is_refused() -> None:
    with pytest.raises(StorageFailed, match="4097 bytes, 4096"):
        encode(1, bytes(MAX_PAYLOAD_BYTES + 1))
