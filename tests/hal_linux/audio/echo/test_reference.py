"""What was played, at the microphone's rate."""

from array import array
from random import Random

import pytest

from mmid.hal_linux.audio.echo.libspeexdsp import LibspeexdspResampler
from mmid.hal_linux.audio.echo.reference import Reference

CHUNK_MS = 20


@pytest.mark.parametrize("drift_ppm", [0, 50])
@pytest.mark.parametrize("short", [0, 7])
@pytest.mark.parametrize(
    ("playback_hz", "capture_hz"), [(24000, 16000), (16000, 16000), (48000, 16000), (22050, 16000)]
)
def test_silence_that_is_left_out_of_the_resampler_is_what_it_would_have_made(
    playback_hz: int, capture_hz: int, short: int, drift_ppm: float
) -> None:
    reference = Reference(playback_hz, capture_hz)
    resampler = LibspeexdspResampler(playback_hz, capture_hz)
    reference.set_drift(drift_ppm)
    resampler.set_drift(drift_ppm)
    dice, made = Random(7), b""  # noqa: S311 - the same noise every time
    count = playback_hz * CHUNK_MS // 1000
    for number in range(40):
        size = count - (short if number % 5 == 3 else 0)
        loud = [dice.randrange(-9000, 9000) for _ in range(size)]
        chunk = array("h", loud if number % 20 < 3 else [0] * size).tobytes()
        reference.play(chunk)
        made += resampler.convert(chunk)
    assert reference.at(0, reference.end) == made
