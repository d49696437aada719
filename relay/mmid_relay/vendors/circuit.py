"""Whether a vendor is asked at all: after failures in a row it is left alone for a while."""

import time
from collections.abc import Callable

_FAILURES = 5
_PAUSE_S = 5.0


class Circuit:
    """Opens after five failures in a row; then one request every five seconds finds out.

    So a vendor that is away costs a device no wait, and this relay no sockets; and when it is
    back, that is noticed without anybody's doing.

    Args:
        now: monotonic clock, s.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures = 0
        self._shut_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the vendor counts as away."""
        return self._failures >= _FAILURES

    @property
    def wait_s(self) -> float:
        """Time until the next request is let through; 0 if one is."""
        return max(0.0, self._shut_until - self._now()) if self.is_open else 0.0

    def admits(self) -> bool:
        """Return whether to ask. The one that finds out shuts the door behind itself."""
        if not self.is_open:
            return True
        if self.wait_s > 0:
            return False
        self._shut_until = self._now() + _PAUSE_S
        return True

    def succeeded(self) -> None:
        """Note that the vendor answered, whatever it said."""
        self._failures = 0

    def failed(self) -> None:
        """Note that it did not."""
        self._failures += 1
        self._shut_until = self._now() + _PAUSE_S
