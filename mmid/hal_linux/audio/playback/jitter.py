"""How long a reply is collected before the loudspeaker starts, learned from how replies arrive.

It goes by measurements and not by gaps that were heard, as WebRTC's NetEq does (in
``modules/audio_coding/neteq``: relative_arrival_delay_tracker, histogram, delay_manager):

* The delay of a frame is its arrival against its place in the sound, relative to the frame
  of the same reply that came earliest in that sense: the relative arrival delay.
* A histogram has the largest delay of each reply. The older a reply, the less it counts.
* The next reply starts its 95th percentile and a margin after its own earliest frame.

NetEq has packets in its histogram. Here a reply counts once, however long it is: what
people hear is that one reply in so many had a gap.

No clock in here: time is an argument, in seconds, of any clock that does not step.
"""

from bisect import bisect_right
from itertools import accumulate
from math import ceil, inf

from mmid.hal_linux.audio.alsa import FRAME_BYTES

_QUANTILE = 0.95

# The newest reply's share of the histogram, once there are enough to forget older ones. More
# than the 5 % beyond the quantile, so that a network that got worse makes one gap and not two;
# hardly more, so that one odd reply is outweighed by the three that follow.
_NEWEST_SHARE = 0.06

# The buckets. Sooner than the first one is as good. Of a longer delay than the last one nothing
# is learned: a cloud that thinks in mid-reply would delay the start of all the others.
_BUCKET_S = 0.005
_LEAST_S = -0.1
_MOST_S = 0.5

# Silence goes in when a period is left in the card, and a rate converter may hold another
# period back; so much is collected beyond what arrivals ask for. Of short periods it is more,
# for a loop on a busy board that is late.
_MARGIN_PERIODS = 2
_MARGIN_S = 0.05
_MOST_MARGINS = ceil(_MOST_S / _MARGIN_S)  # together the longest delay: see ``start_at``


class JitterBuffer:
    """Measures the arrivals of a reply, and says when the loudspeaker may start it.

    It outlives replies, connections and the sound card, and ends with the process.

    Args:
        rate_hz: samples a second.
        first_ms: how long the first reply is collected, of which nothing is known.
    """

    def __init__(self, rate_hz: int, first_ms: int) -> None:
        self._bytes_per_s = rate_hz * FRAME_BYTES
        self._delay_s = first_ms / 1000 - _MARGIN_S  # what was learned, the margin not counted
        self._shares = [0.0] * (1 + round((_MOST_S - _LEAST_S) / _BUCKET_S))
        self._replies = 0
        self._begin()

    def _begin(self) -> None:
        self._bytes = 0  # of this reply so far
        self._first = inf  # when its beginning came
        self._earliest = inf  # when it would have come, had all come as early as the earliest
        self._latest_s = -inf  # the largest delay so far
        self._margins = 1  # so many of them are kept beyond it

    @property
    def most_bytes(self) -> int:
        """So much of a reply is worth having ahead of the loudspeaker."""
        return ceil(_MOST_S * self._bytes_per_s)

    def arrived(self, now: float, count: int) -> None:
        """So many bytes of the reply have come."""
        # When the reply's beginning would have come, had it been sent in step with these.
        beginning = now - self._bytes / self._bytes_per_s
        self._bytes += count
        delay_s = beginning - self._earliest
        if not -inf < delay_s <= _MOST_S:  # the first ones, or those after a pause
            self._first = self._earliest = beginning
            return
        self._latest_s = max(self._latest_s, delay_s)
        if delay_s < 0:
            # Who is far ahead of the loudspeaker may rest as long: that is no delay.
            self._earliest = max(beginning, self._first - _MOST_S)

    def start_at(self, waiting_bytes: int, period_s: float) -> float:
        """Return when the loudspeaker may start so that what is to come will be in time.

        Args:
            waiting_bytes: what has come and was not played yet.
            period_s: the card's period.
        """
        played_s = (self._bytes - waiting_bytes) / self._bytes_per_s
        margin_s = min(_MOST_S, self._margins * max(_MARGIN_S, _MARGIN_PERIODS * period_s))
        return self._earliest + played_s + max(self._delay_s, self._latest_s) + margin_s

    def ran_dry(self) -> None:
        """The loudspeaker had nothing to play in mid-reply: for the rest of it be more careful.

        One longer silence is better than several short ones.
        """
        # Limited, because a number that was doubled a thousand times is too large for a float.
        self._margins = min(2 * self._margins, _MOST_MARGINS)

    def reply_ended(self) -> None:
        """A reply was heard whole, or was cut: learn from what came of it."""
        if self._latest_s > -inf:  # one frame alone tells nothing
            self._learn(self._latest_s)
        self._begin()

    def _learn(self, delay_s: float) -> None:
        last = len(self._shares) - 1
        bucket = min(last, max(0, ceil((delay_s - _LEAST_S) / _BUCKET_S)))
        self._replies += 1
        newest = max(1 / self._replies, _NEWEST_SHARE)
        self._shares = [share * (1 - newest) for share in self._shares]
        self._shares[bucket] += newest
        longer = list(accumulate(reversed(self._shares)))  # from the longest delay down
        self._delay_s = _LEAST_S + (last - bisect_right(longer, 1 - _QUANTILE)) * _BUCKET_S
