import array
import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.hal_linux.audio.samples import fade_in, level_percent, ramp_down

sample = st.integers(-32768, 32767)
EDGE = 120


def values(data: bytes) -> list[int]:
    return [
        int.from_bytes(data[at : at + 2], "little", signed=True) for at in range(0, len(data), 2)
    ]


@pytest.mark.parametrize(
    ("peak", "percent"),
    [(0, 0), (1, 0), (33, 0), (328, 33), (3277, 67), (16384, 90), (32767, 100), (-32768, 100)],
)
def test_a_level_is_the_peak_in_decibels_from_minus_60_to_0(peak: int, percent: int) -> None:
    assert level_percent(struct.pack("<4h", 0, peak, 0, 0)) == percent


def test_nothing_is_silent() -> None:
    assert level_percent(b"") == 0


@given(sample)
def test_a_ramp_falls_evenly_from_the_last_sample_to_zero(last: int) -> None:
    falling = [last, *values(ramp_down(last, EDGE))]
    assert len(falling) == EDGE + 1
    assert falling[-1] == 0
    largest = abs(last) / EDGE + 1
    assert all(abs(after - before) <= largest for before, after in itertools.pairwise(falling))


@given(sample, st.integers(0, 2 * EDGE), st.lists(st.integers(1, 70), max_size=8))
def test_a_fade_is_the_same_however_the_samples_are_cut(
    level: int, count: int, cuts: list[int]
) -> None:
    data = array.array("h", [level] * count).tobytes()
    whole = fade_in(data, 0, EDGE)
    pieces, at = b"", 0
    for cut in [*cuts, count]:
        pieces += fade_in(data[2 * at : 2 * (at + cut)], at, EDGE)
        at += cut
    assert pieces == whole
    assert len(whole) == len(data)
    assert values(whole)[EDGE:] == values(data)[EDGE:]
    assert values(whole)[:1] in ([], [0])


def test_after_the_fade_the_samples_are_left_alone() -> None:
    data = array.array("h", [5] * 10).tobytes()
    assert fade_in(data, EDGE, EDGE) == data
