"""One open PCM a direction, with its oddities hidden: recovery, and devices that do not pace.

A sound card takes and gives samples at its rate. alsa-lib's ``file`` and
``null`` PCMs do not: they are ready at once, always. Such a free-running
device is paced here by the monotonic clock, so that a second of speech lasts
a second with every device, and whoever uses these classes need not know.
"""

import errno
import time
from contextlib import suppress

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio.alsa import FRAME_BYTES, AlsaError, Direction, failure, open_pcm
from mmid.hal_linux.audio.pieces import Pieces
from mmid.hal_linux.audio.terms import Terms

__all__ = ["CapturePcm", "PlaybackPcm"]

# The loop may be late by this much before a syllable is lost.
_CAPTURE_BUFFER_MS = 500

# Enough for one wake-up in 200 ms, little enough to hear a new volume soon.
_PLAYBACK_BUFFER_MS = 300

# A card that gives or takes nothing for so long never will.
_STUCK_S = 2.0


class CapturePcm:
    """A microphone that records from ``start`` on.

    Attributes:
        rate_hz: samples a second.
        format: what alsa-lib negotiated, for people.
        overruns: how often samples were lost because nobody read them in time.
        held_back: frames that the last ``read`` left in the device.

    Raises:
        AudioDeviceFailed: the device is not there, busy or cannot do the rate;
            the methods raise it when the device fails later.
    """

    def __init__(
        self, device: str, rate_hz: int, period_ms: int, terms: Terms | None = None
    ) -> None:
        self.rate_hz = rate_hz
        self.overruns = self.held_back = 0
        self._device = device
        self._silent_since: float | None = None  # it gives no samples
        self._open = open_pcm(
            Direction.CAPTURE, device, rate_hz, period_ms, _CAPTURE_BUFFER_MS, terms=terms
        )
        self.format = self._open.format
        self._ahead = Pieces()  # read, not yet due
        self._free_since: float | None = None
        self._handed = 0

    def start(self) -> None:
        """Start the stream: alsa-lib does so at the first read.

        A free-running device gives a whole period at once and has a full
        buffer left. What it gave is kept: it is the beginning of the speech.
        """
        self._read_periods(1, self._ahead)
        open_ = self._open
        if self._ahead.size and open_.pcm.avail() >= open_.buffer_frames - open_.period_frames:
            self._free_since = time.monotonic()

    def read(self, into: Pieces, missing: int | None = None) -> bool:
        """Add the samples recorded since the last call, in order; False if there were none.

        Args:
            into: what they are added to.
            missing: with so many frames a part of a period more is left in the device, for
                it costs a read of its own; None: all are wanted.
        """
        before = into.size
        if self._free_since is not None:
            data = self._ahead.take(self._read_due(self._free_since))
            self._handed += len(data) // FRAME_BYTES
            into.put(data)
        else:
            if self._ahead.size:
                into.put(self._ahead.take(self._ahead.size))
            self._read_available(into, missing)
        if into.size > before:
            self._silent_since = None
            return True
        self._check_alive()
        return False

    def close(self) -> None:
        """Close the device."""
        self._open.pcm.close()

    def _check_alive(self) -> None:
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        elif now - self._silent_since > _STUCK_S:
            raise AudioDeviceFailed(
                f"the sound device {self._device!r} gave no sample for {_STUCK_S:g} s: "
                "check its clock and its capture route"
            )

    def _read_available(self, into: Pieces, missing: int | None) -> None:
        # avail() asks the card where it is; a plain read may trust the last interrupt.
        available = self._open.pcm.avail()
        if available < 0 and available != -errno.EPIPE:
            raise failure(self._device, available)
        wanted = available
        if missing is not None and available > missing:
            wanted = max(missing, available - available % self._open.period_frames)
        before = into.size
        self._read_periods(max(1, wanted), into)  # the last read may give more than is wanted
        self.held_back = max(0, available - (into.size - before) // FRAME_BYTES)

    def _read_due(self, since: float) -> int:
        """Read ahead and return how many bytes should have been recorded by now."""
        # A late loop catches up buffer by buffer, so that no call takes long.
        elapsed = int((time.monotonic() - since) * self.rate_hz)
        due = min(elapsed - self._handed, self._open.buffer_frames) * FRAME_BYTES
        self._read_periods((due - self._ahead.size) // FRAME_BYTES, self._ahead)
        return due

    def _read_periods(self, frames: int, into: Pieces) -> None:
        """Read period by period until there are so many frames, or no more."""
        read = self._open.pcm.read
        periods: list[bytes] = []
        try:
            while frames > 0:
                count, data = read()
                if count == -errno.EPIPE:
                    self.overruns += 1
                    _, data = read()  # starts the recovered stream
                if not data:
                    break
                periods.append(data)
                frames -= len(data) // FRAME_BYTES
        except AlsaError as error:
            raise failure(self._device, error) from error
        finally:
            into.put(*periods)  # what was read is not lost with the device


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
        self, device: str, rate_hz: int, period_ms: int, terms: Terms | None = None
    ) -> None:
        opened = open_pcm(
            Direction.PLAYBACK, device, rate_hz, period_ms, _PLAYBACK_BUFFER_MS, terms=terms
        )
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
        if held - to_come > _STUCK_S * self.rate_hz and held:
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
        elif now - self._refused_since > _STUCK_S:
            raise self._stuck()

    def _stuck(self) -> AudioDeviceFailed:
        return AudioDeviceFailed(
            f"the sound device {self.device!r} played nothing for {_STUCK_S:g} s: "
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
