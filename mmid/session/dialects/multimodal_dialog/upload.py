"""When something must go up besides speech: silence.

The cloud ends a session that sends it no audio for 20 s when it wants some
(444 ClientAudioTimeout, section 7). Silence counts as audio [deduced].
"""

from math import inf

# So long without audio, then a frame of silence: five seconds before the cloud gives up.
SILENCE_EVERY_S = 15.0

# Silence after a release, where the cloud itself hears the end of a speech: more than
# any pause that its detector may be set to wait for [unconfirmed].
TAIL_S = 2.0

# The cloud's cadence: a binary frame in 100 ms (section 8).
FRAME_MS = 100


class Upload:
    """When audio was sent last."""

    def __init__(self) -> None:
        self._sent_at = inf  # nothing is due before the cloud listened

    def sent(self, now: float) -> None:
        """Audio was sent, or the time begins to count."""
        self._sent_at = now

    @property
    def silence_due(self) -> float:
        """When silence must be sent; ``inf`` before the first ``sent``."""
        return self._sent_at + SILENCE_EVERY_S
