"""The acoustic check's judgement, on rooms made of numbers."""

import random
from array import array
from collections.abc import Callable

import pytest

from mmid.hal_linux.acceptance import CheckResult
from mmid.hal_linux.acceptance.acoustic import LEAD_S, RECORDING_S, Recording, judge, sweep

RATE_HZ = 16000
Room = Callable[[float], float]


def room(
    *,
    delay_s: float = 0.05,
    gain: float = 0.5,
    noise: int = 30,
    offset: int = 0,
    rate_hz: int = RATE_HZ,
    echo: float = 0.0,
) -> Recording:
    """A recording of the sweep as this room sounds."""
    dice = random.Random(1)  # noqa: S311 - noise, not a secret
    heard = [dice.uniform(-noise, noise) + offset for _ in range(int(RECORDING_S * rate_hz))]
    at = int((LEAD_S + delay_s) * rate_hz)
    for index, sample in enumerate(array("h", sweep(rate_hz))):
        heard[at + index] += gain * sample
        if echo:
            heard[at + rate_hz // 100 + index] += echo * gain * sample
    limited = (max(-32768, min(32767, round(value))) for value in heard)
    return Recording(array("h", limited).tobytes(), rate_hz, LEAD_S)


def judged(recording: Recording) -> dict[str, CheckResult]:
    return {result.check: result for result in judge(recording)}


def failed(recording: Recording) -> set[str]:
    return {result.check for result in judge(recording) if not result.passed}


def test_every_check_has_a_verdict_whatever_was_heard() -> None:
    names = ["microphone", "noise", "loudspeaker", "level", "delay", "polarity"]
    assert [result.check for result in judge(room())] == names
    assert [result.check for result in judge(room(gain=0, noise=0))] == names


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 48000])
def test_a_good_board_passes_at_every_rate(rate_hz: int) -> None:
    assert failed(room(rate_hz=rate_hz)) == set()


@pytest.mark.parametrize("delay_ms", [0, 3, 50, 390])
@pytest.mark.parametrize("rate_hz", [8000, 48000])
def test_the_delay_is_measured_to_a_sample(delay_ms: int, rate_hz: int) -> None:
    result = judged(room(delay_s=delay_ms / 1000, rate_hz=rate_hz))["delay"]
    assert result.passed
    assert result.measured["ms"] == pytest.approx(delay_ms, abs=0.2)


def test_a_delay_beyond_the_limit_fails() -> None:
    assert failed(room(delay_s=0.45)) == {"delay"}


def test_swapped_wires_are_found() -> None:
    result = judged(room(gain=-0.5))["polarity"]
    assert not result.passed
    assert result.measured == {"polarity": "inverted"}


@pytest.mark.parametrize("gain", [0.5, -0.5])
def test_an_echo_changes_neither_delay_nor_polarity(gain: float) -> None:
    results = judged(room(gain=gain, echo=0.6))
    assert results["polarity"].passed == (gain > 0)
    assert results["delay"].measured["ms"] == pytest.approx(50, abs=0.2)


def test_a_dead_microphone_is_told_from_a_dead_loudspeaker() -> None:
    unheard = {"loudspeaker", "level", "delay", "polarity"}
    assert failed(room(gain=0, noise=0)) == {"microphone", *unheard}
    assert failed(room(gain=0, noise=30)) == unheard


def test_another_sound_than_the_sweep_is_not_taken_for_it() -> None:
    dice = random.Random(2)  # noqa: S311
    samples = array("h", (dice.randrange(-3000, 3000) for _ in range(int(RECORDING_S * RATE_HZ))))
    assert "loudspeaker" in failed(Recording(samples.tobytes(), RATE_HZ, LEAD_S))


def test_a_quiet_board_is_too_quiet_before_it_is_unheard() -> None:
    assert failed(room(gain=0.01, noise=5)) == {"level"}


def test_a_loud_board_clips() -> None:
    result = judged(room(gain=4))["level"]
    assert not result.passed
    assert "clipped" in result.detail


def test_noise_fails_by_itself_and_with_the_level_above_it() -> None:
    assert failed(room(noise=1000)) == {"noise"}
    assert failed(room(gain=0.1, noise=800)) == {"noise", "level"}


def test_a_constant_offset_is_not_taken_for_sound() -> None:
    assert failed(room(offset=2000)) == set()
    assert "microphone" in failed(room(gain=0, noise=0, offset=2000))


def test_the_sweep_begins_and_ends_in_silence_and_leaves_headroom() -> None:
    samples = array("h", sweep(48000))
    assert samples[0] == samples[-1] == 0
    assert 9000 < max(samples) < 10000


def test_an_empty_recording_is_judged_too() -> None:
    assert "microphone" in failed(Recording(b"", RATE_HZ, LEAD_S))
