"""What the loudspeaker played, at the microphone's rate: the last seconds, sample by sample."""

from mmid.hal_linux.audio.alsa import FRAME_BYTES
from mmid.hal_linux.audio.echo.libspeexdsp import LibspeexdspResampler

# The search for the delay looks back over its span and the longest delay.
_KEPT_S = 4

# After so much silence the resampler's filter, some milliseconds long, holds nothing else.
_SILENT_S = 0.1


class Reference:
    """Counts what was played in samples of the microphone's clock.

    Args:
        playback_hz: the loudspeaker's rate.
        capture_hz: the microphone's.

    Attributes:
        end: how many samples were added since the start; the next one's index.
        held: how many samples of what was played are still to be added.
        drift_ppm: what is made up for: by how much the loudspeaker's clock is faster.
    """

    def __init__(self, playback_hz: int, capture_hz: int) -> None:
        self.end = 0
        self.drift_ppm = 0.0
        self._most_bytes = _KEPT_S * capture_hz * FRAME_BYTES
        self._kept = bytearray()
        self._playback_hz = playback_hz
        self._capture_hz = capture_hz
        self._silent = 0  # samples since the last sound
        # Also for equal rates: one that comes in later would shift the reference.
        self._resampler = LibspeexdspResampler(playback_hz, capture_hz)
        self.held = self._resampler.held

    def play(self, samples: bytes) -> None:
        """Add what goes to the loudspeaker, in order, silence too."""
        count = len(samples) // FRAME_BYTES
        made, rest = divmod(count * self._capture_hz, self._playback_hz)
        known = self._silent >= _SILENT_S * self._playback_hz and not rest and not self.drift_ppm
        self._silent = self._silent + count if samples == bytes(len(samples)) else 0
        # Silence of silence, as many samples as it would make: most of the time in a dialog.
        if known and self._silent:
            self.add(bytes(made * FRAME_BYTES))
        else:
            self.add(self._resampler.convert(samples))

    def add(self, samples: bytes) -> None:
        """Add samples that are at the microphone's rate already."""
        self._kept += samples
        self.end += len(samples) // FRAME_BYTES
        del self._kept[: max(0, len(self._kept) - self._most_bytes)]

    def at(self, index: int, count: int) -> bytes:
        """Return so many samples from an index on; silence where there are none."""
        first = self.end - len(self._kept) // FRAME_BYTES
        missing = max(0, first - index)
        start = max(0, index - first) * FRAME_BYTES
        stop = max(0, index + count - first) * FRAME_BYTES
        found = bytes(min(missing, count) * FRAME_BYTES) + self._kept[start:stop]
        return bytes(found).ljust(count * FRAME_BYTES, b"\0")

    def set_drift(self, ppm: float) -> None:
        """Make up for a loudspeaker's clock that is faster than the microphone's by so much."""
        self.drift_ppm = ppm
        self._resampler.set_drift(ppm)
