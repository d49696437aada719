"""A loudspeaker that is open: what it still has to play, and soft edges around gaps.

It recovers from underruns, and paces devices that do not pace themselves: alsa-lib's
``file`` and ``null`` PCMs take everything at once. The monotonic clock makes a second of a
reply last a second with those, too.

alsa-lib's rate converter hands whole periods on and holds the rest back until more comes: a
card can run dry while samples of ours wait. So whole periods are written as long as
there are, and silence fills the last one up.
"""

import errno
import time
from contextlib import suppress
from math import ceil

from mmid.hal_linux.audio.alsa import FRAME_BYTES, STUCK_S, AlsaError, OpenPcm, failure, stuck
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.ring import ByteRing
from mmid.hal_linux.audio.samples import fade_in, ramp_down

# Of a fade. Long enough to be no click, short enough to be no loss.
_EDGE_MS = 5

# With no more than a period in the card and nothing to come, silence goes in; of a short
# period with no more than this, for the loop may be late.
_LOW_S = 0.02

# A card's clock may be faster than ours, by 200 ppm at most. After twenty minutes of one reply a
# card that is 100 ppm faster would run dry while by our clock a tenth of a second is left.
_DRIFT = 0.0002

# A card has taken a sample before it sounds: it may be a period ahead, but no more than this.
_AHEAD_S = 0.04


class PlaybackPcm:
    """A loudspeaker; the first samples written start it.

    What is still to be heard is known twice: the device says what it holds,
    and nothing plays faster than its rate. The larger counts, so a device
    that takes all at once (a file, a sound server with its own buffer) does
    not seem to have played it.

    Args:
        opened: the PCM, and what alsa-lib gave of what was asked for.
        gain: applied to every sample at the last moment, so that a new volume
            is heard at most one device buffer later.

    Attributes:
        opened: the PCM, as it was given.
        paced: whether the device takes its time by itself: a file never does.
        frames: how many it held when it was asked last, and what went in since.
            Asking a card is a system call: once a wake-up is enough.

    Raises:
        AudioDeviceFailed: by every method when the device fails.
    """

    def __init__(self, opened: OpenPcm, gain: SoftwareGain) -> None:
        self.opened = opened
        self.paced = False
        self.frames = 0
        most = max(opened.buffer_frames - opened.period_frames, opened.buffer_frames // 2)
        self._low = min(max(opened.period_frames, int(_LOW_S * opened.rate_hz)), most)
        self._edge_frames = opened.rate_hz * _EDGE_MS // 1000
        self._gain = gain
        self._written = 0  # frames since the stream started; 0: it does not run
        self._heard_at = 0.0  # not before then all is heard, if it runs
        self._held = 0  # frames in the device by its lowest count, and what it took since
        self._stuck_since: float | None = None  # it neither plays nor takes samples
        self._kept = bytearray()  # samples as they came, until they were heard
        self._silence = 0  # frames of it behind the last sample
        self._faded = self._edge_frames  # of the fade after a gap; a reply's start needs none

    def buffered(self) -> int:
        """Ask how many frames are still to be heard, silence too; 0 when it ran dry."""
        self.frames = self._unheard_frames()
        if not self.frames:
            self._ran_dry()
        unheard = max(0, self.frames - self._silence) * FRAME_BYTES
        if (heard := len(self._kept) - unheard) > 0:
            del self._kept[:heard]
        return self.frames

    def feed(self, ring: ByteRing) -> None:
        """Move from the ring to the device what fits beside ``frames``."""
        waiting = ring.frames
        count = min(self._room, waiting)
        if count < waiting:  # a converter would hold back what is no whole period
            count -= (self.held_frames + count) % self.opened.period_frames
        if count <= 0:
            return
        samples = ring.peek(count * FRAME_BYTES)
        loud = self._gain.apply(samples)
        if self._faded < self._edge_frames:
            loud = fade_in(loud, self._faded, self._edge_frames)
        taken = self._write(loud)
        if taken:
            self._faded += taken
            self._silence = 0
            self._kept += samples[: taken * FRAME_BYTES]
            ring.discard(taken * FRAME_BYTES)

    @property
    def started(self) -> bool:
        """Whether samples were written that start the stream."""
        return self._written > 0

    @property
    def held_frames(self) -> int:
        """How many of the frames that were written a rate converter holds back, if there is one."""
        return self._written % self.opened.period_frames

    @property
    def low_frames(self) -> int:
        """With so much left silence goes in, a period of it at least: that must fit."""
        return self.held_frames + self._low

    def pad(self) -> None:
        """Have the silence behind the last sample of a reply that ``padded`` asks for."""
        self._write_silence(bytes(max(0, 2 * self._ahead_frames - self._silence) * FRAME_BYTES))

    @property
    def padded(self) -> bool:
        """Whether silence follows the last sample of a reply, and nothing is held back of it."""
        enough = self._silence >= 2 * self._ahead_frames and not self.held_frames
        return enough or not self.paced

    @property
    def tail(self) -> int:
        """What is still buffered when the last sample was surely heard."""
        return max(0, self._silence - self._ahead_frames)

    @property
    def left_frames(self) -> int:
        """How many frames surely are still to be heard: ``frames`` may be a period more.

        Many cards tell their position by the period; within it the clock is right, unless the
        card began late.
        """
        return min(self.frames, max(self._to_come(), self.frames - self.opened.period_frames))

    def bridge(self, frames: int) -> None:
        """If no more than that is left, have as much silence go in behind it."""
        if self.left_frames > frames:
            return
        silence = bytes(frames * FRAME_BYTES)
        if self._kept and not self._silence:
            last = self._gain.apply(bytes(self._kept[-FRAME_BYTES:]))
            level = int.from_bytes(last, "little", signed=True)
            silence = (ramp_down(level, self._edge_frames) + silence)[: len(silence)]
        self._write_silence(silence)
        self._faded = 0

    def fade_next(self) -> None:
        """The next sample comes after a gap that was heard: a file hears none."""
        if self.paced:
            self._faded = 0

    def unheard(self) -> bytes:
        """Return the samples that were surely not heard when the device was there last.

        Up to half a buffer of them may have sounded since then: better a
        syllable twice than never.
        """
        return bytes(self._kept)

    def close(self) -> None:
        """Be silent now, and close the device."""
        with suppress(AlsaError):  # a device that is gone is silent
            self.opened.pcm.drop()  # else ``close`` would drain it: play the rest
        self.opened.pcm.close()

    @property
    def _room(self) -> int:
        return self.opened.buffer_frames - self.frames

    @property
    def _ahead_frames(self) -> int:
        return min(self.opened.period_frames, int(_AHEAD_S * self.opened.rate_hz))

    def _unheard_frames(self) -> int:
        """Return the larger of what the device holds and what cannot have been heard yet."""
        if not self._written:
            return 0
        held = self._ask_held()
        if held < 0:
            return 0
        # A sound server's count may go up again for a moment. That is no playing, and neither is
        # its way back down.
        played = max(0, self._held - held)
        self._held -= played
        if held:
            self._note_progress(played)
        if (ahead := self._to_come() - held) > 0:  # of our clock: come nearer to the card
            self._heard_at -= min(ahead, played * _DRIFT) / self.opened.rate_hz
        return max(held, self._to_come(), 0)

    def _note_progress(self, frames: int) -> None:
        """Give a device up that has stood still for long, not one that is behind our clock.

        A card whose clock is slower falls behind by seconds in a reply of hours.
        """
        if frames:
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = time.monotonic()
        elif time.monotonic() - self._stuck_since > STUCK_S:
            raise stuck(self.opened.device, "played nothing")

    def _to_come(self) -> int:
        """Return what cannot have been heard yet; below zero: for so long all should have been."""
        if not self._written:
            return 0
        return ceil((self._heard_at - time.monotonic()) * self.opened.rate_hz)

    def _ask_held(self) -> int:
        """Return how many frames the device says it holds; negative if it ran dry and stopped."""
        available = self.opened.pcm.avail()
        if available == -errno.EPIPE:
            return available
        if available < 0:
            raise failure(self.opened.device, available)
        held = max(0, self.opened.buffer_frames - available)
        self.paced = self.paced or held > 0
        return held

    def _ran_dry(self) -> None:
        """What is written next starts the stream."""
        self._written = 0

    def _write_silence(self, silence: bytes) -> None:
        """Write as much as fits, and what makes the last period whole."""
        over = (self.held_frames + len(silence) // FRAME_BYTES) % self.opened.period_frames
        whole = silence + bytes((self.opened.period_frames - over if over else 0) * FRAME_BYTES)
        fits = whole[: self._room * FRAME_BYTES]
        if fits:
            self._silence += self._write(fits)

    def _write(self, samples: bytes) -> int:
        """Write whole frames that fit, and return the number of those taken."""
        write = self.opened.pcm.write
        try:
            taken = write(samples)
            if taken == -errno.EPIPE:
                self._ran_dry()
                taken = write(samples)  # the first one recovered the stream
        except AlsaError as error:
            raise failure(self.opened.device, error) from error
        if taken < 0:
            raise failure(self.opened.device, taken)
        self._note_progress(taken)
        if taken:
            begins = self._heard_at if self._written else time.monotonic()
            self._heard_at = begins + taken / self.opened.rate_hz
            self._written += taken
            self._held += taken
            self.frames += taken
        if not self.paced and self.started:
            self._ask_held()  # right now a card still has it all: it shows itself as paced
        return taken
