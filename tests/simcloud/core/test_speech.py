"""Counting speech, and telling voice from silence."""

from array import array

import pytest

from mmid.simcloud.core.speech import Speech


def sound(seconds: float, level: int, rate_hz: int = 16000) -> bytes:
    return array("h", (level, -level) * int(rate_hz * seconds / 2)).tobytes()


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 48000])
def test_it_keeps_every_byte_and_knows_its_length(rate_hz: int) -> None:
    speech = Speech(rate_hz, pause_s=None)
    speech.add(sound(0.5, 5, rate_hz))
    speech.add(sound(20, 7, rate_hz))
    assert bytes(speech.data) == sound(0.5, 5, rate_hz) + sound(20, 7, rate_hz)
    assert speech.seconds == 20.5


def test_a_pause_ends_it_only_after_a_voice() -> None:
    speech = Speech(16000, pause_s=0.7)
    speech.add(sound(1, 0))
    assert not speech.paused
    speech.add(sound(0.2, 3000))
    speech.add(sound(0.68, 20))
    assert not speech.paused
    speech.add(sound(0.02, 20))
    assert speech.paused


def test_a_voice_within_the_pause_goes_on() -> None:
    speech = Speech(16000, pause_s=0.7)
    for _ in range(3):
        speech.add(sound(0.2, 3000))
        speech.add(sound(0.6, 0))
    assert not speech.paused


def test_silence_before_a_voice_is_kept_only_so_far_back() -> None:
    speech = Speech(16000, pause_s=0.7)
    for _ in range(30):
        speech.add(sound(1, 0))
    assert speech.seconds == 10
    speech.add(sound(1, 3000))
    assert speech.seconds == 11
    speech.add(sound(1, 0))
    assert speech.seconds == 12
