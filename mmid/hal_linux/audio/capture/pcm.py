"""A microphone that is open: recovers from overruns, paces devices that do not pace themselves.

A sound card gives samples at its rate. alsa-lib's ``file`` and ``null`` PCMs do not: they
are ready at once, always. Such a free-running device is paced here by the monotonic clock,
so that a second of speech lasts a second with every device.
"""

import errno
import time

from mmid.hal_linux.audio.alsa import FRAME_BYTES, STUCK_S, AlsaError, OpenPcm, failure, stuck
from mmid.hal_linux.audio.ring import ByteRing


class CapturePcm:
    """A microphone that records from ``start`` on.

    Args:
        opened: the PCM, and what alsa-lib gave of what was asked for.

    Attributes:
        opened: the same.
        overruns: how often samples were lost because nobody read them in time.

    Raises:
        AudioDeviceFailed: by every method when the device fails.
    """

    def __init__(self, opened: OpenPcm) -> None:
        self.opened = opened
        self.overruns = 0
        self._silent_since: float | None = None  # it gives no samples
        self._ahead = ByteRing()  # read, not yet due
        self._free_since: float | None = None  # it does not pace itself
        self._handed = 0  # frames of a free-running device

    def start(self) -> None:
        """Start the stream: alsa-lib does so at the first read.

        A card has recorded nothing yet and gives nothing. A free-running device gives a
        whole period at once and says that its buffer is still full: so it is known. What
        it gave is kept: it is the beginning of the speech.
        """
        opened = self.opened
        self._read_periods(1, self._ahead)
        if self._ahead.fill and opened.pcm.avail() >= opened.buffer_frames - opened.period_frames:
            self._free_since = time.monotonic()

    def read(self, into: ByteRing) -> bool:
        """Add the samples recorded since the last call, in order; False if there were none."""
        before = into.fill
        if self._free_since is not None:
            data = self._ahead.take(self._read_due(self._free_since))
            self._handed += len(data) // FRAME_BYTES
            into.put(data)
        else:
            into.put(self._ahead.take(self._ahead.fill))  # what ``start`` read
            self._read_available(into)
        if into.fill > before:
            self._silent_since = None
            return True
        self._silent_since = self._silent_since or time.monotonic()
        if time.monotonic() - self._silent_since > STUCK_S:
            raise stuck(self.opened.device, "gave no sample")
        return False

    def close(self) -> None:
        """Close the device."""
        self.opened.pcm.close()

    def _read_available(self, into: ByteRing) -> None:
        # avail() asks the card where it is: ``snd_pcm_avail`` is ``hwsync`` and then the
        # position. A plain read trusts the position of the last interrupt, a period old.
        available = self.opened.pcm.avail()
        if available < 0 and available != -errno.EPIPE:
            raise failure(self.opened.device, available)
        # At least one read: it is what starts a stream again that ran over.
        self._read_periods(max(1, available), into)

    def _read_due(self, since: float) -> int:
        """Read ahead and return how many bytes should have been recorded by now."""
        # A late loop catches up buffer by buffer, so that no call takes long.
        elapsed = int((time.monotonic() - since) * self.opened.rate_hz)
        due = min(elapsed - self._handed, self.opened.buffer_frames) * FRAME_BYTES
        self._read_periods((due - self._ahead.fill) // FRAME_BYTES, self._ahead)
        return due

    def _read_periods(self, frames: int, into: ByteRing) -> None:
        """Read until there are so many frames, or no more: ``read`` gives a period at most.

        What was read before the device failed is added, too.
        """
        read = self.opened.pcm.read
        try:
            while frames > 0:
                count, data = read()
                if count == -errno.EPIPE:
                    self.overruns += 1
                    _, data = read()  # starts the recovered stream
                if not data:
                    break
                into.put(data)
                frames -= len(data) // FRAME_BYTES
        except AlsaError as error:
            raise failure(self.opened.device, error) from error
