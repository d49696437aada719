"""The loudspeaker's open device, asked for its position; without one it goes by the clock."""

import errno
import time
from contextlib import suppress

from mmid.hal_linux.audio.alsa import FRAME_BYTES, AlsaError, OpenPcm, failure

# So much is in the device: a reply begins, or is silent, that much later. It is filled up again
# when so much is left: a loop on a busy board is late by tens of milliseconds, and a device
# that ran dry costs the alignment. The two are 50 ms apart, so that every second turn can be
# the recorder's, which wakes up every 100 ms.
LEAD_S = 0.13
REFILL_S = 0.08


class PlaybackStream:
    """The open device, and what of its stream has sounded.

    A device that does not pace itself (``type file``) is paced by the clock.

    Attributes:
        opened: the PCM.
        written: how many samples went to it.
        asked: when it was asked last, by the monotonic clock.
        held: how many of them had not sounded then, and what was written since.
    """

    def __init__(self, opened: OpenPcm) -> None:
        self.opened = opened
        self.written = 0
        self.asked = 0.0
        self.held = 0
        self._paced = False
        self._since = 0.0  # of a device that is paced by the clock: the first sample sounded

    @property
    def sounded(self) -> int:
        """How many samples had sounded when it was asked."""
        return self.written - self.held

    @property
    def sounding(self) -> int:
        """How many samples have sounded by now, reckoned since it was asked."""
        since = int((time.monotonic() - self.asked) * self.opened.rate_hz)
        return self.written - max(0, self.held - since)

    @property
    def refill_s(self) -> float:
        """With so many seconds of sound left it wants more.

        At most half of the buffer: a small one could never hold ``REFILL_S``, and would want more
        all the time.
        """
        return min(REFILL_S, self.opened.buffer_frames / self.opened.rate_hz / 2)

    @property
    def low(self) -> bool:
        """Whether it wants more, reckoned since it was asked."""
        return self.written - self.sounding < self.refill_s * self.opened.rate_hz

    def wanted(self, lead_s: float) -> int:
        """How many bytes bring it up to a lead: whole periods, as a rate converter passes."""
        missing = int(lead_s * self.opened.rate_hz) - self.held
        period = self.opened.period_frames
        room = (self.opened.buffer_frames - self.held) // period
        return max(0, min(-(-missing // period), room)) * period * FRAME_BYTES

    def silence(self, least_s: float) -> bytes:
        """Return what goes in if no more than so much is left."""
        enough = self.held > least_s * self.opened.rate_hz
        return b"" if enough else bytes(self.wanted(LEAD_S))

    def ask(self) -> bool:
        """Ask the device what it holds; False if it holds nothing and starts with a write.

        Raises:
            AudioDeviceFailed: it failed.
        """
        available = self.opened.pcm.avail()
        self.asked = time.monotonic()
        if available < 0 and available != -errno.EPIPE:
            raise failure(self.opened.device, available)
        if self._paced:
            self.held = 0 if available < 0 else max(0, self.opened.buffer_frames - available)
        else:
            elapsed = int((self.asked - self._since) * self.opened.rate_hz)
            self.held = max(0, self.written - elapsed)
        if not self.held:
            self._since = self.asked - self.written / self.opened.rate_hz
        return self.held > 0

    def write(self, samples: bytes) -> int:
        """Write; return how many samples were taken.

        Raises:
            AudioDeviceFailed: it failed.
        """
        write = self.opened.pcm.write
        try:
            taken = write(samples)
            if taken == -errno.EPIPE:
                taken = write(samples)  # the first one recovered the stream
        except AlsaError as error:
            raise failure(self.opened.device, error) from error
        if taken < 0:
            raise failure(self.opened.device, taken)
        self.written += taken
        self.held += taken
        if not self._paced:  # right now a card still has it all
            self._paced = 0 <= self.opened.pcm.avail() < self.opened.buffer_frames
        return taken

    def close(self) -> None:
        """Be silent now, and close the device."""
        with suppress(AlsaError):  # a device that is gone is silent
            self.opened.pcm.drop()
        self.opened.pcm.close()
