import math
import random

import pytest

from mmid.hal_linux.acceptance.acoustic_correlation import Peaks, correlate, decimate

DICE = random.Random(7)  # noqa: S311 - noise, not a secret
SOUND = [DICE.gauss(0, 1) for _ in range(500)]


def recording(lag: int, gain: float, length: int = 1300) -> list[float]:
    heard = [DICE.gauss(0, 0.01) for _ in range(length)]
    for index, sample in enumerate(SOUND):
        heard[lag + index] += gain * sample
    return heard


@pytest.mark.parametrize("lag", [0, 1, 127, 799, 800])
@pytest.mark.parametrize("gain", [0.2, -0.2])
def test_a_copy_is_found_where_it_lies_with_its_sign(lag: int, gain: float) -> None:
    peaks = correlate(recording(lag, gain), SOUND)
    assert peaks.lag == lag
    assert peaks.value == pytest.approx(math.copysign(1, gain), abs=0.01)
    assert peaks.opposite < 0.3
    assert peaks.background < 0.1


def test_it_is_the_sum_of_products_that_the_textbook_says() -> None:
    heard = recording(40, 0.5, length=640)
    sums = [
        sum(a * b for a, b in zip(SOUND, heard[lag:], strict=False))
        for lag in range(len(heard) - len(SOUND) + 1)
    ]
    norm = math.sqrt(sum(a * a for a in SOUND) * sum(b * b for b in heard[40:540]))
    peaks = correlate(heard, SOUND)
    assert peaks.value == pytest.approx(sums[40] / norm, rel=1e-9)
    mean = math.sqrt(sum(value * value for value in sums) / len(sums))
    assert peaks.background == pytest.approx(mean / norm, rel=1e-9)


def test_noise_alone_peaks_only_a_few_times_above_its_mean() -> None:
    noise = [DICE.gauss(0, 1) for _ in range(4000)]
    peaks = correlate(noise, SOUND)
    assert abs(peaks.value) < 6 * peaks.background


@pytest.mark.parametrize("heard", [[], [0.0] * 1000, SOUND[:499]], ids=["none", "silent", "short"])
def test_what_cannot_hold_the_sound_has_no_peak(heard: list[float]) -> None:
    assert correlate(heard, SOUND) == Peaks(0, 0.0, 0.0, 0.0)


def test_decimating_takes_means_and_drops_an_incomplete_group() -> None:
    assert decimate([1, 3, 5, 7, 100], 2) == [2.0, 6.0]
    assert decimate([1, 3], 1) == [1.0, 3.0]
