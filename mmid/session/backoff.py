"""How long to wait before the next attempt: full jitter, doubling, bounded.

Full jitter (a wait drawn from the whole range, not from its upper end)
spreads a fleet that lost the cloud at one moment evenly over the range.
"""

import random
from collections.abc import Callable

FIRST_S = 1.0
CAP_S = 60.0

# Full jitter can draw several short waits in a row; this floor keeps any
# series under the contract's 14 attempts in the first 14 s.
_FLOOR_SHARE = 0.1

# A dialog that lived for so long was a good one.
HEALTHY_S = 15.0

# So many short ones in a row may be the network's moods.
_SHORT_LIVES_LIMIT = 3


class Backoff:
    """The waits of one series of attempts.

    Args:
        draw: a number in [0, 1); for tests.
    """

    __slots__ = ("_attempts", "_draw", "_short_lives")

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._attempts = 0
        self._short_lives = 0

    @property
    def attempts(self) -> int:
        """Attempts since the last success."""
        return self._attempts

    def next_wait(self) -> float:
        """Return the seconds to wait now; the range doubles for the next time."""
        # The exponent is capped so that years of failures cannot overflow it.
        reach = min(CAP_S, FIRST_S * float(1 << min(self._attempts, 10)))
        self._attempts += 1
        return reach * (_FLOOR_SHARE + (1 - _FLOOR_SHARE) * self._draw())

    def longest_wait(self) -> float:
        """Return a wait from the widest range, and stay there."""
        self._attempts = 10
        return self.next_wait()

    def succeeded(self, lived_s: float) -> None:
        """The last attempt led to a dialog, which lived for so long.

        The series begins anew; but not for ever: a cloud that lets everybody
        in and drops them at once must not be stormed either.
        """
        self._short_lives = 0 if lived_s >= HEALTHY_S else self._short_lives + 1
        if self._short_lives <= _SHORT_LIVES_LIMIT:
            self._attempts = 0
