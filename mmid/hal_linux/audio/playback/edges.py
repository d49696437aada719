"""Soft edges around a gap in a reply: a sample that jumps to or from zero is heard as a click."""

import array
import sys

__all__ = ["fade_in", "ramp_down"]


def ramp_down(last: int, frames: int) -> bytes:
    """Return ``frames`` samples that fall from ``last`` to zero in a line."""
    steps = range(frames - 1, -1, -1)
    falling = array.array("h", [int(last * step / frames) for step in steps])  # towards zero
    return _little_endian(falling)


def fade_in(samples: bytes, done: int, frames: int) -> bytes:
    """Return ``samples`` with their first part faded in.

    Args:
        samples: whole 16-bit little-endian samples.
        done: how many samples of the fade are behind us already.
        frames: length of the whole fade.
    """
    if done >= frames:
        return samples
    count = min(frames - done, len(samples) // 2)
    head = array.array("h", samples[: 2 * count])
    if sys.byteorder == "big":
        head.byteswap()
    rising = array.array("h", [one * (done + at) // frames for at, one in enumerate(head)])
    return _little_endian(rising) + samples[2 * count :]


def _little_endian(samples: "array.array[int]") -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
