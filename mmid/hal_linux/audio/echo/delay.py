"""Where in what was played the microphone's sound lies: cross-correlation of signs.

Only the signs of the samples are compared, 8000 a second, as the bits of one long number
each: a conjunction and a count of bits do a whole lag (a polarity-coincidence correlator,
Wolff, Thomas and Williams, 1962). All lags of half a second take some 20 ms here, in plain
Python. The first difference of the samples is taken before: it makes speech white enough
for a peak that is sharp.
"""

import sys
from array import array
from collections.abc import Iterator
from math import sqrt
from operator import sub

from mmid.hal_linux.audio.samples import to_numbers

ANALYSIS_HZ = 8000

# Chance gives 4 standard deviations over some thousand lags; speech, which is not white, 8.
_CLEAR_DEVIATIONS = 12.0

# Here 0.2 ms.
_LAGS_A_STEP = 64

# The high byte of a number tells its sign.
_SIGN = bytes(b"01"[byte >> 7] for byte in range(256))
_INT_BYTES = array("i").itemsize
_HIGH_BYTE = _INT_BYTES - 1 if sys.byteorder == "little" else 0


def find_delay(played: bytes, heard: bytes, rate_hz: int) -> Iterator[int | None]:
    """Search for the delay, a little with each step: yields None, and at last the result.

    That is by how many samples the echo in ``heard`` comes after ``played``; -1 if no echo
    is clear.

    Args:
        played: what was played; it ends at the same moment as ``heard`` and begins earlier,
            by the longest delay.
        heard: what the microphone heard.
        rate_hz: of both, a multiple of 8000.
    """
    step = rate_hz // ANALYSIS_HZ
    loudspeaker, longer = _signs(played, step)
    microphone, count = _signs(heard, step)
    mask, falling = (1 << count) - 1, microphone.bit_count()
    best, best_agreement = 0, 0.0
    for lag in range(longer - count):
        there = loudspeaker >> lag & mask
        # About half of the signs agree by chance; with swapped wires fewer do.
        both = (there & microphone).bit_count()
        agreement = abs(both - there.bit_count() * falling / count)
        if agreement > best_agreement:
            best, best_agreement = lag, agreement
        if not lag % _LAGS_A_STEP:
            yield None
    clear = best_agreement > _CLEAR_DEVIATIONS * sqrt(count) / 4
    yield best * step if clear else -1


def _signs(samples: bytes, step: int) -> tuple[int, int]:
    """Return the signs of the samples' differences as bits, the last one lowest; and how many."""
    numbers = to_numbers(samples)[::step]
    differences = array("i", map(sub, numbers[1:], numbers))
    high = differences.tobytes()[_HIGH_BYTE::_INT_BYTES]
    return int(high.translate(_SIGN) or b"0", 2), len(high)
