"""How loud samples are, for a meter that people look at."""

import sys
from array import array
from math import log10

__all__ = ["level_percent"]

_FULL_SCALE = 32768

# What the meter shows as nothing. Speech peaks between -30 and -6 dB.
_FLOOR_DB = -60.0


def level_percent(samples: bytes) -> int:
    """Return the peak on a scale of decibels: 0 is -60 dB or less, 100 is full scale.

    Args:
        samples: 16-bit signed little-endian mono, whole frames.
    """
    values = array("h", samples)
    if sys.byteorder == "big":
        values.byteswap()
    peak = max(max(values, default=0), -min(values, default=0))
    if peak == 0:
        return 0
    decibels = 20 * log10(peak / _FULL_SCALE)
    return max(0, round(100 * (1 - decibels / _FLOOR_DB)))
