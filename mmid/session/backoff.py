"""How long to wait before the next attempt: full jitter, doubling, bounded.

Full jitter (a wait drawn from the whole range, not from its upper end)
spreads a fleet that lost the cloud at one moment evenly over the range.
"""

import random
from collections.abc import Callable

__all__ = ["CAP_S", "FIRST_S", "Backoff"]

FIRST_S = 1.0
CAP_S = 60.0

# Full jitter can draw several short waits in a row; this floor keeps any
# series under the contract's 14 attempts in the first 14 s.
_FLOOR_SHARE = 0.1


class Backoff:
    """The waits of one series of attempts.

    Args:
        draw: a number in [0, 1); for tests.
    """

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._attempts = 0

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

    def reset(self) -> None:
        """The last attempt was a success."""
        self._attempts = 0
