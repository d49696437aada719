"""Which sample of the microphone belongs to which of the loudspeaker, from both streams' positions.

Each stream counts its samples; what they have in common is the monotonic clock, by which
each device is asked for its position now and then. That tells the place to a period of the
card, the search in the sound finds the rest (``delay_watch``); and over minutes it tells by
how much one card's clock is faster than the other's.
"""

from mmid.hal_linux.audio.echo.clock_drift import ClockDrift
from mmid.hal_linux.audio.echo.reference import Reference

# Drift is made up for once it is known so well, and again when it is found to be another by
# so much. Above 10 ppm an adaptive filter falls behind.
_KNOWN_PPM = 5.0
_OTHER_PPM = 2.0

# No two crystals are so far apart: what looks like it is a device without a clock.
_LARGEST_PPM = 1000.0


class Alignment:
    """Keeps the positions; a ``PlaybackListener``.

    Args:
        reference: gets what was played, and is told of the drift.
        playback_hz: the loudspeaker's rate.
        capture_hz: the microphone's.

    Attributes:
        drift: of the loudspeaker's clock.
    """

    def __init__(self, reference: Reference, playback_hz: int, capture_hz: int) -> None:
        self.drift = ClockDrift()
        self._reference = reference
        self._playback_hz = playback_hz
        self._capture_hz = capture_hz
        # Where each stream would have been at the clock's zero: its position less what the clock
        # has counted since, in samples of the microphone. None: it has not told it yet.
        self._recorded: float | None = None
        self._sounded: float | None = None
        self._void = True  # the offset was not told since the last break

    @property
    def drift_ppm(self) -> float:
        """By how many millionths the loudspeaker's clock is faster than the microphone's.

        Until it is known well enough, the drift that the reference makes up for: the first seconds
        of a card whose position moves by whole periods would tell hundreds.
        """
        known = self.drift.error_ppm < _KNOWN_PPM
        return self.drift.ppm if known else self._reference.drift_ppm

    def played(self, samples: bytes) -> None:
        self._reference.play(samples)

    def playback_position(self, now: float, sounded: int, waiting: int) -> None:
        self.drift.played(now, sounded / self._playback_hz)
        end = self._reference.end + self._reference.held
        at = end - waiting * self._capture_hz / self._playback_hz
        self._sounded = at - now * self._capture_hz

    def playback_broke(self) -> None:
        self.broke()

    def recorded(self, now: float, index: int) -> None:
        """The microphone's stream had come to that sample at that moment."""
        self.drift.recorded(now, index / self._capture_hz)
        self._recorded = index - now * self._capture_hz
        drift = self.drift
        if drift.error_ppm < _KNOWN_PPM and abs(drift.ppm) < _LARGEST_PPM:
            other = abs(drift.ppm - self._reference.drift_ppm)
            if other > max(_OTHER_PPM, drift.error_ppm):
                self._reference.set_drift(drift.ppm)

    def broke(self) -> None:
        """One of the streams lost samples, or began: its positions of before are void."""
        self.drift.restart()
        self._recorded = self._sounded = None
        self._void = True

    def new_offset(self) -> int | None:
        """Return, once after each break, the microphone's index less the reference's beside it.

        None as long as there is nothing new, or one of the streams has not told its position.
        """
        if not self._void or self._recorded is None or self._sounded is None:
            return None
        self._void = False
        return round(self._recorded - self._sounded)
