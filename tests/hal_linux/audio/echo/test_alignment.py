from random import Random

import pytest

from mmid.hal_linux.audio.echo.alignment import Alignment
from mmid.hal_linux.audio.echo.reference import Reference

RATE_HZ = 16000
PERIOD = 320  # samples, 20 ms


def read(alignment: Alignment, seconds: int, ppm: float, grain: int = 1) -> None:
    """Have both streams tell their positions ten times a second, by so many samples."""
    dice = Random(1)  # noqa: S311 - jitter, not a secret
    for turn in range(10 * seconds):
        now = turn / 10 + dice.uniform(0, 0.05)
        sounded = int(now * RATE_HZ * (1 + ppm / 1e6))
        alignment.playback_position(now, sounded - sounded % grain, 0)
        recorded = int(now * RATE_HZ)
        alignment.recorded(now, recorded - recorded % grain)


@pytest.fixture
def alignment() -> Alignment:
    return Alignment(Reference(RATE_HZ, RATE_HZ), RATE_HZ, RATE_HZ)


def test_a_drift_that_is_not_known_yet_is_not_told(alignment: Alignment) -> None:
    read(alignment, 6, 0.0, PERIOD)
    assert abs(alignment.drift.ppm) > 100, "what the first seconds seem to say"
    assert alignment.drift_ppm == 0


def test_after_lost_samples_the_drift_that_is_made_up_for_is_told(alignment: Alignment) -> None:
    read(alignment, 20, 50.0)
    assert alignment.drift_ppm == pytest.approx(50, abs=1)
    made_up_for = alignment.drift_ppm
    alignment.broke()
    assert alignment.drift_ppm == pytest.approx(made_up_for, abs=2)
