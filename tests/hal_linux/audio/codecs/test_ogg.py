"""Ogg pages: the right bytes in any portions, and damage that costs one page."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.hal_linux.audio.codecs.ogg import OggPackets, OggPages, Page
from tests.hal_linux.audio.codecs.streams import cut, stream

OGG = stream("opus", 16000, 20)

LONGEST = 1000


def pages(*pieces: bytes) -> tuple[list[Page], int]:
    """Return the pages, and how often something else was between them."""
    reader = OggPages()
    found = [page for piece in pieces for page in reader.cut(piece)]
    return [page for page in (*found, *reader.finish()) if page], reader.damaged


def page(number: int, *lengths: int, flags: int = 0, serial: int = 7) -> Page:
    body = bytes(number for _ in range(sum(lengths)))
    continued, first, last = (bool(flags & flag) for flag in (1, 2, 4))
    return Page(continued, first, last, 0, serial, number, bytes(lengths), body)


WHOLE, _ = pages(OGG)


def test_the_pages_of_another_tool_are_found_and_none_is_damaged() -> None:
    found, damaged = pages(OGG)
    assert (len(found) > 30, damaged) == (True, 0)
    assert [page.number for page in found] == list(range(len(found)))
    assert (found[0].first, found[-1].last) == (True, True)
    assert found[0].body.startswith(b"OpusHead")


@given(st.lists(st.integers(min_value=0)))
def test_where_the_stream_is_cut_does_not_matter(places: list[int]) -> None:
    assert pages(*cut(OGG, places)) == (WHOLE, 0)


@given(st.integers(0, len(OGG) - 1), st.integers(1, 255))
def test_a_changed_byte_costs_one_page_and_is_counted(at: int, change: int) -> None:
    broken = bytearray(OGG)
    broken[at] ^= change
    found, damaged = pages(bytes(broken))
    lost = [page.number for page in WHOLE if page not in found]
    assert len(lost) == 1
    assert len(found) == len(WHOLE) - 1
    assert damaged >= 1


@given(st.lists(st.binary(max_size=200) | st.just(b"OggS\0") | st.just(OGG[:300])))
def test_nonsense_is_survived_and_little_of_it_is_kept(pieces: list[bytes]) -> None:
    reader = OggPages()
    for piece in pieces * 3:
        list(reader.cut(piece))
        assert len(reader._bytes) < 27 + 255 + 255 * 255
    list(reader.finish())
    assert len(reader._bytes) == 0


def test_a_page_behind_a_false_length_is_found_at_the_end() -> None:
    promise = struct.pack("<4sBBqIIIB", b"OggS", 0, 0, 0, 1, 1, 0, 255) + b"\xff" * 255
    found, damaged = pages(promise + OGG[: 27 + 1 + 19])
    assert (found, damaged) == (WHOLE[:1], 1)


@pytest.mark.parametrize(
    ("given_pages", "packets", "damaged"),
    [
        ([page(1, 3, 4)], [3, 4], 0),
        ([page(1, 255, 0)], [255], 0),
        ([page(1, 3, 255), page(2, 5, 6, flags=1)], [3, 260, 6], 0),
        ([page(1, 255), page(2, 255, flags=1), page(3, 1, flags=1)], [511], 0),
        ([page(1, 3, 255), page(3, 5, 6, flags=1)], [3, 6], 1),
        ([page(1, 5, 6, flags=1)], [6], 0),
        ([page(1, 255), page(2, 4)], [4], 0),
        ([page(1, 255), page(2, 4, flags=2)], [4], 0),
        ([page(1, 255), page(1, 4, 5, flags=1, serial=8)], [5], 0),
        ([page(1, *[255] * 4), page(2, 5, 6, flags=1)], [6], 1),
        ([page(1, *[255] * 3), page(2, 255, 5, 6, flags=1)], [6], 1),
        ([page(1)], [], 0),
    ],
)
def test_packets_are_joined_across_pages(
    given_pages: list[Page], packets: list[int], damaged: int
) -> None:
    joiner = OggPackets(LONGEST)
    found = [packet for page in given_pages for packet in joiner.split(page)]
    assert ([len(packet) for packet in found], joiner.damaged) == (packets, damaged)
