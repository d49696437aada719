import re
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.errors import StorageFailed
from mmid.hal_linux.storage.record_format import (
    INITIAL_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_RECORD_BYTES,
    SEALING_BYTES,
    Flag,
    ForeignContent,
    Record,
    decode,
    encode,
    is_first_write_cut_short,
)
from mmid.hal_linux.storage.sealing_child import unseal

MAGIC = b"mmid"
HELLO = encode(1, b"hello")


def test_the_examples_of_the_documentation_are_true() -> None:
    page = Path(__file__).parents[3] / "docs" / "record-format.md"
    hello, first, sealed = re.findall(r"^    (6d 6d [0-9a-f ]+)$", page.read_text(), re.MULTILINE)
    assert bytes.fromhex(hello) == HELLO
    assert bytes.fromhex(first) == INITIAL_BYTES
    record = decode(bytes.fromhex(sealed), "here")
    assert record is not None
    assert unseal(bytes(range(32)), record.body, record.header) == b"hello"


@given(st.integers(0, 2**32 - 1), st.binary(max_size=MAX_PAYLOAD_BYTES), st.binary(max_size=64))
def test_what_was_encoded_is_decoded_whatever_follows(
    sequence: int, payload: bytes, rest: bytes
) -> None:
    assert decode(encode(sequence, payload) + rest, "here") == Record(sequence, payload)


def test_each_single_wrong_bit_is_damage() -> None:
    for byte in range(len(MAGIC), len(HELLO)):
        for bit in range(8):
            data = bytearray(HELLO)
            data[byte] ^= 1 << bit
            assert decode(bytes(data), "here") is None, f"bit {bit} of byte {byte}"


def test_a_record_cut_short_is_damage() -> None:
    for length in range(len(HELLO)):
        assert decode(HELLO[:length], "here") is None, f"{length} bytes"


@pytest.mark.parametrize("data", [b"", bytes(64), b"\xff" * 64])
def test_blank_memory_is_damage_and_not_foreign(data: bytes) -> None:
    assert decode(data, "here") is None


@pytest.mark.parametrize("data", [b"root:x:0:0:", b"#", b"mmif" + HELLO[4:]])
def test_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(StorageFailed, match="/the/place holds something else"):
        decode(data, "/the/place")


@pytest.mark.parametrize(("version", "flags"), [(3, 1), (2, 4), (2, 0x80000001)])
def test_a_later_format_is_refused_and_not_taken_for_damage(version: int, flags: int) -> None:
    head = struct.pack("<4sHHI", b"mmid", version, 5, 7)
    rest = struct.pack("<I", flags) + b"hello"
    later = head + struct.pack("<I", zlib.crc32(head + rest)) + rest
    with pytest.raises(ForeignContent, match=f"format {version}, flags {flags:#x}"):
        decode(later, "here")


def test_a_plain_record_is_what_the_first_release_wrote() -> None:
    assert HELLO[4:6] == b"\x01\x00"


def test_flags_and_lengths_are_told_without_the_key() -> None:
    record = decode(encode(5, bytes(33), Flag.SEALED), "here")
    assert record == Record(5, bytes(33), Flag.SEALED)
    assert record is not None
    assert (record.sealed, record.erased, record.payload_bytes) == (True, False, 5)


def test_a_record_that_says_erased_fits_one_sector_and_is_nothing_else() -> None:
    record = decode(INITIAL_BYTES, "here")
    assert record == Record(1, b"", Flag.ERASED)
    assert len(INITIAL_BYTES) <= 512


@pytest.mark.parametrize("blank", [b"\x00", b"\xff"])
def test_a_first_write_cut_short_is_told_from_everything_else(blank: bytes) -> None:
    for written in range(len(INITIAL_BYTES) + 1):
        left = INITIAL_BYTES[:written] + blank * 40
        unfinished = left[:written] + b"\xff" + left[written + 1 :]
        assert is_first_write_cut_short(left), f"{written} bytes"
        assert is_first_write_cut_short(unfinished), f"{written} bytes and a half"
        assert not is_first_write_cut_short(left[:-1] + b"x"), f"{written} bytes, and a foreign one"


@pytest.mark.parametrize("data", [b"root:x:0:0:", b"\x02" + bytes(50), HELLO + bytes(50)])
def test_other_content_is_no_first_write(data: bytes) -> None:
    assert not is_first_write_cut_short(data)


def test_the_longest_record_of_all_fits_the_slot() -> None:
    longest = encode(1, bytes(MAX_PAYLOAD_BYTES + SEALING_BYTES), Flag.SEALED)
    assert len(longest) == MAX_RECORD_BYTES


def test_the_numbers_end() -> None:
    with pytest.raises(StorageFailed, match="cannot go on"):
        encode(2**32, b"")


def test_a_payload_over_the_limit_is_refused() -> None:
    with pytest.raises(StorageFailed, match="4097 bytes, 4096"):
        encode(1, bytes(MAX_PAYLOAD_BYTES + 1))
