import random
import tracemalloc
from math import inf

import pytest

from mmid.hal_linux.audio.echo.clock_drift import ClockDrift


def read(drift: ClockDrift, seconds: int, ppm: float, grain_s: float = 0.0) -> None:
    """Have both streams read ten times a second; the cards move on by grains."""
    dice = random.Random(1)  # noqa: S311 - jitter, not a secret
    for turn in range(10 * seconds):
        now = 100 + turn / 10 + dice.uniform(0, 0.05)
        for tell, rate in ((drift.played, 1 + ppm / 1e6), (drift.recorded, 1.0)):
            position = now * rate
            tell(now, position - (position % grain_s if grain_s else 0))


@pytest.mark.parametrize("ppm", [-100.0, 0.0, 30.0, 100.0])
def test_ten_seconds_tell_the_drift_of_a_card_that_knows_its_position(ppm: float) -> None:
    drift = ClockDrift()
    read(drift, 10, ppm)
    assert drift.ppm == pytest.approx(ppm, abs=1)
    assert drift.error_ppm < 1


def test_five_minutes_tell_it_of_a_card_that_moves_by_whole_periods() -> None:
    drift = ClockDrift()
    read(drift, 300, 30.0, grain_s=0.01)
    assert drift.ppm == pytest.approx(30, abs=5)
    assert drift.error_ppm < 5


def test_a_few_seconds_of_such_a_card_tell_nothing_and_it_says_so() -> None:
    drift = ClockDrift()
    read(drift, 8, 30.0, grain_s=0.02)
    assert drift.error_ppm > 15


def test_after_lost_samples_it_begins_anew() -> None:
    drift = ClockDrift()
    read(drift, 10, 100.0)
    drift.restart()
    assert (drift.ppm, drift.error_ppm) == (0.0, inf)
    read(drift, 10, 50.0)
    assert drift.ppm == pytest.approx(50, abs=1)


def test_a_microphone_whose_loudspeaker_never_tells_its_position_fills_no_memory() -> None:
    drift = ClockDrift()
    tracemalloc.start()
    for turn in range(10_000):
        drift.recorded(turn / 10, turn / 10)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 4096
