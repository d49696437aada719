"""A microphone that is open: recovers from overruns, paces devices that do not pace themselves.

A sound card gives samples at its rate. alsa-lib's ``file`` and ``null`` PCMs do not: they
are ready at once, always. Such a free-running device is paced here by the monotonic clock,
so that a second of speech lasts a second with every device.

Some devices hold samples back: alsa-lib's rate converter gives whole periods only, and
pyalsaaudio 0.10 knows a card's position as of its last interrupt. How much that is just now
is told by the clock: what should have been recorded, less what came.
"""

import errno
import time

from mmid.hal_linux.audio.alsa import FRAME_BYTES, STUCK_S, AlsaError, OpenPcm, failure, stuck

_EPIPE = -errno.EPIPE  # of a stream that ran over

# Less than this is not held back: the loop is late, or the card took a moment to start.
_HELD_LEAST_S = 0.002

# By so much the card's clock may be slower than ours. What seems to be held back for that
# reason alone would grow for as long as the microphone is open.
_DRIFT = 0.0002


class CapturePcm:
    """A microphone that records from ``start`` on.

    Args:
        opened: the PCM, and what alsa-lib gave of what was asked for.

    Attributes:
        opened: the same.
        overruns: how often samples were lost because nobody read them in time.
        asked: when it was asked last, by the monotonic clock, and how many frames it had
            then that were not read before.

    Raises:
        AudioDeviceFailed: by every method when the device fails.
    """

    def __init__(self, opened: OpenPcm) -> None:
        self.opened = opened
        self.overruns = 0
        self.asked = 0.0, 0
        self._silent_since: float | None = None  # it gives no samples
        self._ahead = bytearray()  # read, not yet due
        self._free_running = False
        self._since = 0.0  # the stream started then
        self._given = 0  # frames since then

    def start(self) -> None:
        """Start the stream: alsa-lib does so at the first read.

        A card has recorded nothing yet and gives nothing. A free-running device gives a
        whole period at once and says that its buffer is still full: so it is known. What
        it gave is kept: it is the beginning of the speech.
        """
        opened = self.opened
        self._read_periods(1, self._ahead)
        self._since = time.monotonic()
        full = opened.buffer_frames - opened.period_frames
        self._free_running = bool(self._ahead) and opened.pcm.avail() >= full

    def read(self, into: bytearray) -> bool:
        """Add the samples recorded since the last call, in order; False if there were none."""
        before = len(into)
        if self._free_running:
            due = self._read_due()
            into += self._ahead[:due]
            del self._ahead[:due]
        else:
            if self._ahead:  # what ``start`` read
                into += self._ahead
                self._ahead.clear()
            self._read_available(into)
        came = (len(into) - before) // FRAME_BYTES
        if not came:
            self._check_alive()
            return False
        self._silent_since = None
        self._given += came
        if not self._free_running:
            held = self._elapsed_frames - self._given
            self._since += min(held, came * _DRIFT) / self.opened.rate_hz
        return True

    @property
    def held_frames(self) -> int:
        """How many frames were recorded by now that the device has not given yet."""
        held = self._elapsed_frames - self._given
        return held if held > _HELD_LEAST_S * self.opened.rate_hz else 0

    def wait_s(self, frames: int) -> float:
        """Return when to read again for so many frames more, in seconds.

        That is before the buffer is full: half of one is left to a loop that is late, as
        far as its periods allow.
        """
        opened, held = self.opened, self.held_frames
        period = opened.period_frames
        if held > 2 * period:
            held = 0  # it does not give what it has: looking more often would not help
        if held:
            frames = -(-frames // period) * period
        return (min(frames, max(opened.buffer_frames // 2, period)) - held) / opened.rate_hz

    def close(self) -> None:
        """Close the device."""
        self.opened.pcm.close()

    @property
    def _elapsed_frames(self) -> int:
        return int((time.monotonic() - self._since) * self.opened.rate_hz)

    def _check_alive(self) -> None:
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        elif now - self._silent_since > STUCK_S:
            opened, what = self.opened, "gave no sample"
            if not self.overruns:
                raise stuck(opened.device, what)
            buffer_ms = 1000 * opened.buffer_frames / opened.rate_hz
            known = f"its buffer of {buffer_ms:g} ms ran over {self.overruns} times before a look"
            raise stuck(opened.device, what, known)

    def _read_available(self, into: bytearray) -> None:
        # avail() asks the card where it is: ``snd_pcm_avail`` is ``hwsync`` and then the
        # position. A plain read trusts the position of the last interrupt, a period old.
        available = self.opened.pcm.avail()
        self.asked = time.monotonic(), max(0, available)
        if available < 0 and available != _EPIPE:
            raise failure(self.opened.device, available)
        # At least one read: it is what starts a stream again that ran over.
        self._read_periods(max(1, available), into)

    def _read_due(self) -> int:
        """Read ahead and return how many bytes should have been recorded by now."""
        # A late loop catches up buffer by buffer, so that no call takes long.
        frames = min(self._elapsed_frames - self._given, self.opened.buffer_frames)
        self.asked = time.monotonic(), frames
        due = frames * FRAME_BYTES
        self._read_periods((due - len(self._ahead)) // FRAME_BYTES, self._ahead)
        return due

    def _read_periods(self, frames: int, into: bytearray) -> None:
        """Read until there are so many frames, or no more: ``read`` gives a period at most.

        What was read before the device failed is added, too.
        """
        read = self.opened.pcm.read
        try:
            while frames > 0:
                count, data = read()
                if count == _EPIPE:
                    self.overruns += 1
                    count, data = read()  # starts the recovered stream
                    self._since, self._given = time.monotonic(), 0
                if not data:
                    break
                into += data
                frames -= count
        except AlsaError as error:
            raise failure(self.opened.device, error) from error
