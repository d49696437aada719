"""A loudspeaker that is open: recovers from underruns, paces devices that do not pace themselves.

alsa-lib's ``file`` and ``null`` PCMs take everything at once. Such a device is paced here
by the monotonic clock, so that a second of a reply lasts a second with every device.
"""

import errno
import time
from contextlib import suppress

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio.alsa import STUCK_S, AlsaError, Direction, failure, open_pcm
from mmid.hal_linux.audio.hardware_parameters import HardwareParameters

__all__ = ["PlaybackPcm"]

# Enough for one wake-up in 200 ms, little enough to hear a new volume soon.
_BUFFER_MS = 300


class PlaybackPcm:
    """A loudspeaker; the first samples written start it.

    What is still to be heard is known twice: the device says what it holds,
    and nothing plays faster than its rate. The larger counts, so a device
    that takes all at once (a file, a sound server with its own buffer) does
    not seem to have played it.

    Attributes:
        device: the ALSA PCM name.
        rate_hz: samples a second.
        format: what alsa-lib negotiated, for people.
        buffer_frames: the most it holds.
        period_frames: the grain in which it takes samples.
        started: whether any sample was written.
        paced: whether the device takes its time by itself: a file never does.

    Raises:
        AudioDeviceFailed: as in ``CapturePcm``.
    """

    def __init__(
        self, device: str, rate_hz: int, period_ms: int, terms: HardwareParameters | None = None
    ) -> None:
        opened = open_pcm(Direction.PLAYBACK, device, rate_hz, period_ms, _BUFFER_MS, terms=terms)
        self.device = device
        self.rate_hz = rate_hz
        self.format = opened.format
        self.buffer_frames = opened.buffer_frames
        self.period_frames = opened.period_frames
        self.started = False
        self.paced = False
        self._pcm = opened.pcm
        self._since = 0.0  # when the stream started, or started again after it ran dry
        self._written = 0  # frames since then
        self._dry = True  # what is written next starts the stream
        self._refused_since: float | None = None

    def buffered(self) -> int:
        """Return how many frames were written and not yet heard; 0 when it ran dry."""
        self._dry = True
        if not self.started:
            return 0
        held = self._held()
        if held < 0:
            return 0
        to_come = self._to_come()
        if held - to_come > STUCK_S * self.rate_hz and held:
            raise self._stuck()
        unheard = max(held, to_come, 0)
        self._dry = unheard == 0
        return unheard

    def write(self, samples: bytes) -> int:
        """Write what fits and return the number of frames taken.

        Args:
            samples: whole frames, no more than ``buffer_frames`` less what ``buffered``
                returned right before.
        """
        try:
            taken = self._pcm.write(samples)
            if taken == -errno.EPIPE:
                self._dry = True
                taken = self._pcm.write(samples)  # the first one recovered the stream
        except AlsaError as error:
            raise failure(self.device, error) from error
        if taken < 0:
            raise failure(self.device, taken)
        self._check_taken(taken)
        if taken and self._dry:
            self.started, self._dry = True, False
            self._since = time.monotonic()
            self._written = 0
        self._written += taken
        if self.started and not self.paced:
            self._held()  # right now a card still has it all: it shows itself as paced
        return taken

    def close(self) -> None:
        """Be silent now, and close the device."""
        with suppress(AlsaError):  # a device that is gone is silent
            self._pcm.drop()
        self._pcm.close()

    def _to_come(self) -> int:
        """Return how many frames cannot have been heard yet: nothing plays faster than its rate.

        Below zero: for so long all of them should have been heard.
        """
        return self._written - int((time.monotonic() - self._since) * self.rate_hz)

    def _check_taken(self, taken: int) -> None:
        if taken:
            self._refused_since = None
            return
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        elif now - self._refused_since > STUCK_S:
            raise self._stuck()

    def _stuck(self) -> AudioDeviceFailed:
        return AudioDeviceFailed(
            f"the sound device {self.device!r} played nothing for {STUCK_S:g} s: "
            "check its clock and its driver"
        )

    def _held(self) -> int:
        """Return how many frames the device says it holds; negative if it ran dry and stopped."""
        available = self._pcm.avail()
        if available == -errno.EPIPE:
            return available
        if available < 0:
            raise failure(self.device, available)
        held = max(0, self.buffer_frames - available)
        self.paced = self.paced or held > 0
        return held
