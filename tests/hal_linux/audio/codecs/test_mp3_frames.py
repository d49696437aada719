"""MP3 framing: whole frames from any portions, tags passed over, damage skipped and counted."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.hal_linux.audio.codecs.mp3_frames import Mp3Frames
from tests.hal_linux.audio.codecs.streams import RATES, cut, stream

MP3 = stream("mp3", 16000)
ID3_BYTES = 44  # FFmpeg writes one before the sound


def frames(*pieces: bytes) -> tuple[list[bytes], int]:
    """Return the frames, and how often something else was between them."""
    reader = Mp3Frames()
    found = [frame for piece in pieces for frame in reader.cut(piece)]
    return [*found, *reader.finish()], reader.damaged


WHOLE, _ = frames(MP3)
BARE = b"".join(WHOLE)


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_stream_is_nothing_but_its_tag_and_its_frames(rate_hz: int) -> None:
    data = stream("mp3", rate_hz)
    assert data.startswith(b"ID3")
    found, damaged = frames(data)
    assert b"".join(found) == data[ID3_BYTES:]
    assert len(found) > 10
    assert damaged == 0


@given(st.lists(st.integers(min_value=0)))
def test_where_the_stream_is_cut_does_not_matter(places: list[int]) -> None:
    tagged = MP3 + b"TAG" + bytes(125)
    assert frames(*cut(tagged, places)) == (WHOLE, 0)


@given(st.lists(st.integers(min_value=0)))
def test_an_ape_tag_is_no_damage(places: list[int]) -> None:
    items = b"\xff\xf3" * 500
    head = b"APETAGEX" + struct.pack("<III", 2000, len(items) + 32, 1)
    header, footer = head + b"\0\0\0\xa0" + bytes(8), head + b"\0\0\0\x80" + bytes(8)
    tagged = MP3 + header + items + footer
    assert frames(*cut(tagged, places)) == (WHOLE, 0)


@given(st.lists(st.integers(min_value=0)), st.binary(min_size=1, max_size=500))
def test_nonsense_between_frames_is_skipped_the_same_however_it_is_cut(
    places: list[int], nonsense: bytes
) -> None:
    data = b"".join(WHOLE[:5]) + nonsense + b"".join(WHOLE[5:])
    whole = frames(data)
    assert frames(*cut(data, places)) == whole


def test_nonsense_between_frames_costs_no_frame_and_is_counted_once() -> None:
    nonsense = b"\xff\xfb" + b"nonsense \xff\xf3\x18 " * 9
    data = b"".join(WHOLE[:5]) + nonsense + b"".join(WHOLE[5:])
    assert frames(data) == (WHOLE, 1)


def test_a_broken_header_costs_one_frame() -> None:
    broken = bytearray(BARE)
    broken[sum(map(len, WHOLE[:4]))] = 0
    assert frames(bytes(broken)) == (WHOLE[:4] + WHOLE[5:], 1)


def test_a_lost_piece_costs_the_frames_it_was_of() -> None:
    at = sum(map(len, WHOLE[:4]))
    found, damaged = frames(BARE[: at + 10] + BARE[at + 20 :])
    assert found[:4] == WHOLE[:4]
    assert found[-(len(WHOLE) - 6) :] == WHOLE[6:]
    assert damaged == 1


@pytest.mark.parametrize("rate_hz", [8000, 48000])
def test_another_stream_may_follow(rate_hz: int) -> None:
    other = stream("mp3", rate_hz)
    assert frames(MP3, other) == (WHOLE + frames(other)[0], 0)
    bare = other[ID3_BYTES:]
    assert frames(MP3, bare) == (WHOLE + frames(other)[0], 0)


def test_a_single_frame_is_a_stream() -> None:
    assert frames(WHOLE[1]) == ([WHOLE[1]], 0)


def test_a_frame_that_never_ends_is_counted() -> None:
    assert frames(BARE[:-1]) == (WHOLE[:-1], 1)


@given(st.lists(st.binary(max_size=200) | st.just(b"\xff\xfb\x90\x00") | st.just(BARE[:99])))
def test_nonsense_is_survived_and_little_of_it_is_kept(pieces: list[bytes]) -> None:
    reader = Mp3Frames()
    for piece in pieces * 3:
        list(reader.cut(piece))
        assert len(reader._bytes) < 1500 + 200
    list(reader.finish())
    assert len(reader._bytes) == 0


def test_a_tag_of_a_megabyte_is_not_kept() -> None:
    reader = Mp3Frames()
    size = 1_000_000
    head = b"ID3\4\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    data = head + b"\xff\xf3" * (size // 2) + MP3
    found: list[bytes] = []
    for at in range(0, len(data), 1000):
        found += reader.cut(data[at : at + 1000])
        assert len(reader._bytes) < 3000
    assert (found, reader.damaged) == (WHOLE, 0)
