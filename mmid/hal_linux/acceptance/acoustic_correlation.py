"""Where a known sound lies in a recording: cross-correlation by a small FFT.

Plain Python, because a board for mmid has no numpy: a recording of two
seconds at 8 kHz takes a few tenths of a second here and some seconds on the
smallest board, once on the factory line. No I/O, no clock.
"""

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass

# Best negative and positive peak belong to one arrival of the sound if they are this near.
_SAME_ARRIVAL_SAMPLES = 8


@dataclass(frozen=True, slots=True)
class Peaks:
    """What the correlation shows.

    Attributes:
        lag: samples from the start of the recording to the start of the sound.
        value: the peak, 1.0 for a perfect copy, negative for an inverted one.
        opposite: the largest value of the other sign near the peak, as a magnitude.
        background: root mean square of the correlation, in the unit of ``value``.
    """

    lag: int
    value: float
    opposite: float
    background: float


def decimate(samples: Sequence[int], factor: int) -> list[float]:
    """Return means of ``factor`` samples each: a lower rate, and a mild low-pass."""
    if factor == 1:
        return [float(sample) for sample in samples]
    whole = len(samples) - len(samples) % factor
    sums = [sum(samples[at : at + factor]) for at in range(0, whole, factor)]
    return [total / factor for total in sums]


def correlate(recording: Sequence[float], sound: Sequence[float]) -> Peaks:
    """Find ``sound`` in ``recording``; it must lie in it as a whole.

    A recording of silence, or one shorter than the sound, has no peak: all
    values are 0.
    """
    lags = len(recording) - len(sound) + 1
    if lags < 1 or not any(recording):
        return Peaks(0, 0.0, 0.0, 0.0)
    products = _cross(recording, sound)[:lags]
    at = max(range(lags), key=lambda lag: abs(products[lag]))
    norm = _norm(sound) * _norm(recording[at : at + len(sound)])
    if not norm:
        return Peaks(0, 0.0, 0.0, 0.0)
    sign = math.copysign(1.0, products[at])
    near = products[max(0, at - _SAME_ARRIVAL_SAMPLES) : at + _SAME_ARRIVAL_SAMPLES + 1]
    opposite = max(0.0, *(-sign * value for value in near))
    background = _norm(products) / math.sqrt(lags)
    return Peaks(at, products[at] / norm, opposite / norm, background / norm)


def _norm(samples: Sequence[float]) -> float:
    return math.sqrt(sum(value * value for value in samples))


def _cross(recording: Sequence[float], sound: Sequence[float]) -> list[float]:
    """Return for each lag the sum of the products of the sound and what lies there.

    Both real signals go through one transform, as real and imaginary part.
    """
    size = 1 << (len(recording) - 1).bit_length()
    turns = [cmath.exp(-2j * math.pi * index / size) for index in range(size // 2)]
    values = [0j] * size
    values[: len(recording)] = map(complex, recording)
    values[: len(sound)] = map(complex, recording, sound)
    both = _transform(values, turns)
    spectrum = []
    for index, here in enumerate(both):
        mirrored = both[-index].conjugate()
        of_recording, of_sound = (here + mirrored) / 2, (here - mirrored) / 2j
        # Conjugated as a whole: so the same transform goes back.
        spectrum.append(of_recording.conjugate() * of_sound)
    return [value.real / size for value in _transform(spectrum, turns)]


def _transform(values: list[complex], turns: list[complex]) -> list[complex]:
    """Return the discrete Fourier transform of a power of two of values, unscaled.

    Args:
        values: what to transform.
        turns: the unit circle's lower half, clockwise, in as many steps.
    """
    if len(values) == 1:
        return values
    even = _transform(values[::2], turns[::2])
    odd = _transform(values[1::2], turns[::2])
    turned = [turn * value for turn, value in zip(turns, odd, strict=True)]
    return [a + b for a, b in zip(even, turned, strict=True)] + [
        a - b for a, b in zip(even, turned, strict=True)
    ]
