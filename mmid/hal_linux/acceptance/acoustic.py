"""The acoustic check's judgement: a sweep to play, and what the recording of it tells.

Pure: samples in, results out. ``acceptance.audio`` plays and records. All
thresholds stand here; they are wide, for a board in its case on a factory
line, at arm's length of noise. A line that is stricter reads the numbers in
the JSON instead.
"""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from mmid.hal_linux.acceptance import CheckResult
from mmid.hal_linux.acceptance.acoustic_correlation import Peaks, correlate, decimate

# The band of speech: small loudspeakers do nothing below it, and 8 kHz holds it.
SWEEP_LOW_HZ = 300.0
SWEEP_HIGH_HZ = 3400.0
SWEEP_S = 0.8
SWEEP_AMPLITUDE = 0.3  # of full scale: loud, but no amplifier clips
FADE_S = 0.01  # without it the ends click

LEAD_S = 0.4  # the room before the sweep, for the noise floor
SETTLE_S = 0.1  # not counted of the lead: a microphone that is switched on pops
DELAY_LONGEST_S = 0.4

# Together with the lead they fit one transform of 2^14 samples.
RECORDING_S = LEAD_S + SWEEP_S + 0.6
ANALYSIS_HZ = 8000

SILENCE_DBFS = -90.0  # less than one bit: no microphone is so quiet
NOISE_HIGHEST_DBFS = -40.0
LEVEL_LOWEST_DBFS = -45.0
LEVEL_HIGHEST_DBFS = -3.0
ABOVE_NOISE_LEAST_DB = 10.0
CLIPPED_HIGHEST = 0.001  # share of the samples
CLIPPED_FROM = 32700

# Of the correlation: noise alone peaks at 4 to 5 times its mean.
HEARD_LEAST = 8.0

# An echo or a phase shift can make both signs alike: then nothing is claimed.
POLARITY_CLEAR = 1.1


_FULL_SCALE = 32768.0
_NOT_HEARD = "the sweep was not heard"


@dataclass(frozen=True, slots=True)
class Recording:
    """What the microphone heard.

    Attributes:
        samples: 16-bit signed little-endian mono.
        rate_hz: samples a second, a multiple of 8000.
        played_at_s: where in it the loudspeaker got its first sample.
    """

    samples: bytes
    rate_hz: int
    played_at_s: float


def sweep(rate_hz: int) -> bytes:
    """Return the sound to play: 16-bit signed little-endian mono."""
    return array("h", [round(value * _FULL_SCALE) for value in _sweep(rate_hz)]).tobytes()


def judge(recording: Recording) -> list[CheckResult]:
    """Return a result on microphone, noise, loudspeaker, level, delay and polarity."""
    samples = array("h", recording.samples)
    # The mean of a group stands for its middle, at most 0.06 ms off: not worth a correction.
    heard = decimate(_centred(samples), recording.rate_hz // ANALYSIS_HZ)
    peaks = correlate(heard, _sweep(ANALYSIS_HZ))
    ours = abs(peaks.value) >= HEARD_LEAST * peaks.background > 0
    lead = samples[
        int(SETTLE_S * recording.rate_hz) : int(recording.played_at_s * recording.rate_hz)
    ]
    noise_dbfs = _dbfs(_centred(lead))
    results = [_microphone(samples), _noise(noise_dbfs), _loudspeaker(peaks, heard=ours)]
    if not ours:
        return [
            *results,
            *(CheckResult(name, False, _NOT_HEARD) for name in ("level", "delay", "polarity")),
        ]
    at = peaks.lag * recording.rate_hz // ANALYSIS_HZ
    section = samples[at : at + int(SWEEP_S * recording.rate_hz)]
    delay_s = peaks.lag / ANALYSIS_HZ - recording.played_at_s
    return [*results, _level(section, noise_dbfs), _delay(delay_s), _polarity(peaks)]


# --- one result each -----------------------------------------------------------------------


def _microphone(samples: Sequence[int]) -> CheckResult:
    loudness = _dbfs(_centred(samples))
    measured = {"dbfs": loudness}
    if loudness > SILENCE_DBFS:
        return CheckResult("microphone", True, "it hears something", measured)
    reason = "it gives digital silence: not connected, muted, or the wrong channel"
    return CheckResult("microphone", False, reason, measured)


def _noise(dbfs: float) -> CheckResult:
    detail = f"{dbfs:.1f} dBFS before the sweep"
    if dbfs > NOISE_HIGHEST_DBFS:
        detail += (
            f", at most {NOISE_HIGHEST_DBFS:g} is allowed: a loud place, too much gain, or hum"
        )
    return CheckResult("noise", dbfs <= NOISE_HIGHEST_DBFS, detail, {"dbfs": dbfs})


def _loudspeaker(peaks: Peaks, *, heard: bool) -> CheckResult:
    match = abs(peaks.value)
    measured = {
        "match": round(match, 3),
        "above_background": round(match / peaks.background, 1) if peaks.background else 0.0,
    }
    if heard:
        return CheckResult(
            "loudspeaker", True, f"the sweep was heard, match {match:.2f} of 1", measured
        )
    reason = f"{_NOT_HEARD}: loudspeaker or channel missing, amplifier off, volume down"
    return CheckResult("loudspeaker", False, reason, measured)


def _level(section: Sequence[int], noise_dbfs: float) -> CheckResult:
    dbfs = _dbfs(_centred(section))
    above = round(dbfs - noise_dbfs, 1)
    clipped = sum(abs(sample) >= CLIPPED_FROM for sample in section) / len(section)
    problems = []
    if not LEVEL_LOWEST_DBFS <= dbfs <= LEVEL_HIGHEST_DBFS:
        problems.append(f"must be {LEVEL_LOWEST_DBFS:g} to {LEVEL_HIGHEST_DBFS:g}")
    if above < ABOVE_NOISE_LEAST_DB:
        problems.append(f"only {above:.1f} dB above the noise, {ABOVE_NOISE_LEAST_DB:g} needed")
    if clipped > CLIPPED_HIGHEST:
        problems.append(f"{clipped:.1%} of the samples are clipped: too loud, or too much gain")
    detail = ", ".join([f"{dbfs:.1f} dBFS", *problems])
    measured = {"dbfs": dbfs, "above_noise_db": above, "clipped": round(clipped, 4)}
    return CheckResult("level", not problems, detail, measured)


def _delay(delay_s: float) -> CheckResult:
    detail = f"{delay_s * 1000:.1f} ms from loudspeaker to microphone"
    passed = 0 <= delay_s <= DELAY_LONGEST_S
    if not passed:
        detail += (
            f", must be 0 to {DELAY_LONGEST_S * 1000:g}: a buffer too large, or a sound server"
        )
    return CheckResult("delay", passed, detail, {"ms": round(delay_s * 1000, 1)})


def _polarity(peaks: Peaks) -> CheckResult:
    inverted = peaks.value < 0
    clear = abs(peaks.value) >= POLARITY_CLEAR * peaks.opposite
    found = ("inverted" if inverted else "normal") if clear else "unclear"
    details = {
        "normal": "as it was played",
        "inverted": "inverted: the wires of the loudspeaker or the microphone are swapped",
        "unclear": "not clear: echoes or a phase shift",
    }
    return CheckResult("polarity", found != "inverted", details[found], {"polarity": found})


# --- arithmetic -----------------------------------------------------------------------------


def _sweep(rate_hz: int) -> list[float]:
    """The sweep: linear, so that every band of speech gets the same energy."""
    count, fade = int(SWEEP_S * rate_hz), int(FADE_S * rate_hz)
    climb = (SWEEP_HIGH_HZ - SWEEP_LOW_HZ) / SWEEP_S / 2
    return [
        SWEEP_AMPLITUDE
        * min(1.0, index / fade, (count - 1 - index) / fade)
        * math.sin(2 * math.pi * (SWEEP_LOW_HZ + climb * index / rate_hz) * index / rate_hz)
        for index in range(count)
    ]


def _centred(samples: Sequence[int]) -> list[int]:
    """Take away the constant offset that cheap microphones have."""
    if not samples:
        return []
    offset = round(sum(samples) / len(samples))
    return [sample - offset for sample in samples]


def _dbfs(samples: Sequence[int]) -> float:
    """The level in decibels of a full-scale square wave; silence is -120."""
    if not samples:
        return -120.0
    power = sum(sample * sample for sample in samples) / len(samples)
    return round(max(-120.0, 10 * math.log10(power / _FULL_SCALE**2)) if power else -120.0, 1)
