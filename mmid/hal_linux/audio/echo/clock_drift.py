"""By how much the clock of one sound card is faster than another's, told from their positions."""

from collections import deque
from math import inf, sqrt

# A second's readings make one point: a card that moves by whole periods is read in many places.
_POINT_S = 1.0

# Crystals wander with the temperature, within minutes.
_POINTS = 300

# Fewer tell nothing about their own error.
_FEWEST = 5


class ClockDrift:
    """Both streams' positions over time; the slope of their difference is the drift.

    Positions are seconds of sound since some moment, as the device counts them. Time is
    that of the monotonic clock, in seconds, when the device was asked.

    Attributes:
        ppm: by how much the loudspeaker's clock is faster, in millionths.
        error_ppm: the standard error of that; infinite while nothing is known.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Samples were lost: the positions of before do not belong to those that follow."""
        self.ppm = 0.0
        self.error_ppm = inf
        self._points: deque[tuple[float, float]] = deque(maxlen=_POINTS)
        self._since: float | None = None
        self._begin_point()

    def _begin_point(self) -> None:
        # Of the loudspeaker (True) and the microphone: the sum of the seconds by which each reading
        # of this point is ahead of the clock, and the number of readings. They are not kept one by
        # one, because a loudspeaker that is away may give none for days, and the microphone gives
        # ten a second.
        self._ahead = {True: 0.0, False: 0.0}
        self._readings = {True: 0, False: 0}

    def played(self, now: float, position_s: float) -> None:
        """The loudspeaker has played so much by now."""
        self._read(now, position_s, playback=True)

    def recorded(self, now: float, position_s: float) -> None:
        """The microphone has recorded so much by now."""
        self._read(now, position_s, playback=False)

    def _read(self, now: float, position_s: float, *, playback: bool) -> None:
        if self._since is None:
            self._since = now
        # What is left is small, so that sums of its squares stay exact.
        self._ahead[playback] += position_s - (now - self._since)
        self._readings[playback] += 1
        last = self._points[-1][0] if self._points else self._since
        if now - last >= _POINT_S and all(self._readings.values()):
            played, recorded = (self._ahead[one] / self._readings[one] for one in (True, False))
            self._begin_point()
            self._points.append((now, played - recorded))
            if len(self._points) >= _FEWEST:
                self._fit()

    def _fit(self) -> None:
        """Lay a line through the points, by least squares."""
        count = len(self._points)
        middle = sum(at for at, _ in self._points) / count
        mean = sum(ahead for _, ahead in self._points) / count
        spread = sum((at - middle) ** 2 for at, _ in self._points)
        slope = sum((at - middle) * (ahead - mean) for at, ahead in self._points) / spread
        rest = sum((ahead - mean - slope * (at - middle)) ** 2 for at, ahead in self._points)
        self.ppm = slope * 1e6
        self.error_ppm = sqrt(rest / (count - 2) / spread) * 1e6
