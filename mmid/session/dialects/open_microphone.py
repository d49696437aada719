"""The microphone that nobody presses for: when to open it, and when again."""

from math import inf

_FIRST_RETRY_S = 5.0
_LONGEST_RETRY_S = 60.0


class OpenMicrophone:
    """The microphone of duplex: opened once the cloud listens, and again after it failed.

    Attributes:
        due: when to open it; ``inf`` if it is open, or not wanted.
    """

    def __init__(self) -> None:
        self.due = inf
        self._retry_s = _FIRST_RETRY_S

    def heard(self) -> None:
        """It records: the next failure is another one."""
        self._retry_s = _FIRST_RETRY_S

    def failed(self, now: float) -> None:
        """It ended by itself, or could not be opened."""
        self.due = now + self._retry_s
        self._retry_s = min(2 * self._retry_s, _LONGEST_RETRY_S)
