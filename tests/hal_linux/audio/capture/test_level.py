import struct

import pytest

from mmid.hal_linux.audio.capture.level import level_percent


@pytest.mark.parametrize(
    ("peak", "percent"),
    [(0, 0), (1, 0), (33, 0), (328, 33), (3277, 67), (16384, 90), (32767, 100), (-32768, 100)],
)
def test_a_level_is_the_peak_in_decibels_from_minus_60_to_0(peak: int, percent: int) -> None:
    assert level_percent(struct.pack("<4h", 0, peak, 0, 0)) == percent


def test_nothing_is_silent() -> None:
    assert level_percent(b"") == 0
