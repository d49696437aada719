"""A microphone that is open: recovers from overruns, paces devices that do not pace themselves.

A sound card gives samples at its rate. alsa-lib's ``file`` and ``null`` PCMs do not: they
are ready at once, always. Such a free-running device is paced here by the monotonic clock,
so that a second of speech lasts a second with every device.
"""

import errno
import time

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio.alsa import FRAME_BYTES, STUCK_S, AlsaError, Direction, failure, open_pcm
from mmid.hal_linux.audio.capture.pieces import Pieces
from mmid.hal_linux.audio.hardware_parameters import HardwareParameters

__all__ = ["CapturePcm"]

# The loop may be late by this much before a syllable is lost.
_BUFFER_MS = 500


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
        self, device: str, rate_hz: int, period_ms: int, terms: HardwareParameters | None = None
    ) -> None:
        self.rate_hz = rate_hz
        self.overruns = self.held_back = 0
        self._device = device
        self._silent_since: float | None = None  # it gives no samples
        self._open = open_pcm(
            Direction.CAPTURE, device, rate_hz, period_ms, _BUFFER_MS, terms=terms
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
        elif now - self._silent_since > STUCK_S:
            raise AudioDeviceFailed(
                f"the sound device {self._device!r} gave no sample for {STUCK_S:g} s: "
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
