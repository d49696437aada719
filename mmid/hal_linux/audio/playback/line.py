"""The way from a reply's ring into one open PCM: loud as it should be, without clicks.

It knows what lies in the device: samples that were not heard yet, so that
nothing is lost when the device goes away, and the silence behind them, so
that the end of a reply is known to the period.
"""

from mmid.hal_linux.audio.alsa import FRAME_BYTES
from mmid.hal_linux.audio.playback.edges import fade_in, ramp_down
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.pcm import PlaybackPcm
from mmid.hal_linux.audio.ring import ByteRing

__all__ = ["Line"]

# Long enough to be no click, short enough to be no loss.
_EDGE_MS = 5


class Line:
    """Feeds one open PCM.

    Args:
        pcm: the open device.
        gain: applied to every sample at the last moment, so that a new volume
            is heard at most one device buffer later.

    Attributes:
        pcm: the open device.
        frames: how many it held when it was asked last, and what went in since.
            Asking a card is a system call: once a wake-up is enough.
    """

    def __init__(self, pcm: PlaybackPcm, gain: SoftwareGain) -> None:
        self.pcm = pcm
        self.frames = 0
        self._gain = gain
        self._kept = bytearray()  # samples as they came, until they were heard
        self._silence = 0  # frames of it behind the last sample
        self._last = 0  # the value of the last sample
        self._edge = pcm.rate_hz * _EDGE_MS // 1000
        self._faded = self._edge  # how far the fade after a gap is; a reply's start needs none

    def buffered(self) -> int:
        """Ask how many frames are still to be heard, silence too; 0 when it ran dry."""
        self.frames = self.pcm.buffered()
        unheard = max(0, self.frames - self._silence) * FRAME_BYTES
        del self._kept[: max(0, len(self._kept) - unheard)]
        return self.frames

    def feed(self, ring: ByteRing) -> None:
        """Move from the ring to the device what fits beside ``frames``."""
        room = self.pcm.buffer_frames - self.frames
        samples = ring.peek(min(room, ring.frames) * FRAME_BYTES)
        if not samples:
            return
        loud = fade_in(self._gain.apply(samples), self._faded, self._edge)
        taken = self.pcm.write(loud)
        if taken:
            self.frames += taken
            self._faded = min(self._edge, self._faded + taken)
            self._silence = 0
            end = taken * FRAME_BYTES
            self._last = int.from_bytes(loud[end - FRAME_BYTES : end], "little", signed=True)
            self._kept += samples[:end]
            ring.discard(end)

    def hush(self, frames: int) -> None:
        """Have at least so much silence behind the last sample of all, or what fits of it."""
        self._play(bytes(max(0, frames - self._silence) * FRAME_BYTES))

    def fill_up(self, frames: int) -> None:
        """Bridge a gap: have at least so much buffered; what is missing is silence."""
        silence = bytes(max(0, frames - self.frames) * FRAME_BYTES)
        if not self._silence:
            silence = (ramp_down(self._last, self._edge) + silence)[: len(silence)]
        self._play(silence)
        self._faded = 0

    def silent_for(self, frames: int) -> bool:
        """Whether so much silence follows the last sample already."""
        return self._silence >= frames

    @property
    def tail(self) -> int:
        """What is still buffered when the last sample was surely heard.

        A card plays in whole periods and a rate converter keeps a rest back:
        a period of silence must have gone in after the last sample.
        """
        return max(0, self._silence - self.pcm.period_frames)

    def unheard(self) -> bytes:
        """Return the samples that were surely not heard when the device was there last.

        Up to half a buffer of them may have sounded since then: better a
        syllable twice than never.
        """
        return bytes(self._kept)

    def fade_in(self) -> None:
        """The next sample comes after a gap that was heard: a file hears none."""
        if self.pcm.paced:
            self._faded = 0

    def close(self) -> None:
        """Be silent now, and close the device."""
        self.pcm.close()

    def _play(self, silence: bytes) -> None:
        fits = silence[: (self.pcm.buffer_frames - self.frames) * FRAME_BYTES]
        if fits:
            taken = self.pcm.write(fits)
            self._silence += taken
            self.frames += taken
