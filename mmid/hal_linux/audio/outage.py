"""How long and how often to try again when a sound device goes away in mid-use."""

__all__ = ["Outage"]

# A USB card that was knocked out is back in about a second; longer than this
# nobody waits for the rest of a sentence.
_LONGEST_S = 4.0

_FIRST_DELAY_S = 0.02
_LONGEST_DELAY_S = 0.32


class Outage:
    """One outage: doubling delays until the device is back or it took too long.

    A device that comes back and goes away again at once is still out: the
    time goes on until ``end`` says that samples flowed.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._delay_s = _FIRST_DELAY_S

    def next_delay(self, now: float) -> float | None:
        """Return when to try again, in seconds from ``now``; None: give up."""
        if self._began is None:
            self._began = now
        delay, self._delay_s = self._delay_s, min(2 * self._delay_s, _LONGEST_DELAY_S)
        return delay if now + delay - self._began <= _LONGEST_S else None

    def end(self) -> None:
        """Samples flow again: the next outage is another one."""
        self._began = None
        self._delay_s = _FIRST_DELAY_S
