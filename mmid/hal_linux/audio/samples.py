"""Arithmetic on samples: 16-bit signed little-endian, as ALSA and the clouds have them."""

import sys
from array import array
from math import log10

_FULL_SCALE = 32768

# What the meter shows as nothing. Speech peaks between -30 and -6 dB.
_FLOOR_DB = -60.0


def to_numbers(samples: bytes) -> "array[int]":
    """Return samples as numbers, on machines of either byte order."""
    numbers = array("h", samples)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def from_numbers(numbers: "array[int]") -> bytes:
    """Return numbers as samples; ``numbers`` may be changed."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def mix_down(samples: bytes, channels: int) -> bytes:
    """Return the mean of so many channels, whose samples come in turns; of none, nothing."""
    if channels == 1:
        return samples
    whole = len(samples) // 2 // channels * channels if channels else 0
    numbers = to_numbers(samples[: 2 * whole])
    frames = zip(*(numbers[at::channels] for at in range(channels)), strict=True)
    return from_numbers(array("h", [sum(frame) // channels for frame in frames]))


def level_percent(samples: bytes) -> int:
    """Return the peak on a scale of decibels: 0 is -60 dB or less, 100 is full scale."""
    numbers = to_numbers(samples)
    peak = max(max(numbers, default=0), -min(numbers, default=0))
    if peak == 0:
        return 0
    decibels = 20 * log10(peak / _FULL_SCALE)
    return max(0, round(100 * (1 - decibels / _FLOOR_DB)))


def ramp_down(last: int, frames: int) -> bytes:
    """Return ``frames`` samples that fall evenly from ``last`` to zero.

    A sample that jumps to zero is heard as a click.
    """
    steps = range(frames - 1, -1, -1)
    return from_numbers(array("h", [int(last * step / frames) for step in steps]))


def fade_in(samples: bytes, done: int, frames: int) -> bytes:
    """Return ``samples`` with their first part faded in.

    Args:
        samples: whole samples.
        done: how many samples of the fade were played before these.
        frames: length of the whole fade.
    """
    if done >= frames:
        return samples
    count = min(frames - done, len(samples) // 2)
    head = to_numbers(samples[: 2 * count])
    rising = array("h", [one * (done + at) // frames for at, one in enumerate(head)])
    return from_numbers(rising) + samples[2 * count :]
