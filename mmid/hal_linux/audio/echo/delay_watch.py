"""When to search for the delay, and over which sound: once a reply, and when there is doubt."""

from collections.abc import Iterator
from itertools import islice

from mmid.hal_linux.audio.alsa import FRAME_BYTES
from mmid.hal_linux.audio.echo.delay import find_delay
from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS
from mmid.hal_linux.audio.echo.reference import Reference

# The echo is looked for this much around the place that the positions of the streams tell. They
# are good to a period; a sound server, or an amplifier that thinks, adds the rest.
_EARLY_MS = 40
LATE_MS = 500

# The search looks at so much sound, of which the loudspeaker was heard in so many frames.
_SPAN_MS = 1000
_LOUD_FRAMES = 500 // FRAME_MS

# A pause of a second ends a reply.
_PAUSE_FRAMES = 1000 // FRAME_MS

# After so many searches without a result there is none to be heard, or none to be found.
_SEARCHES = 3

# In each frame: here 0.4 ms, on the smallest board some 10.
_STEPS_A_FRAME = 8


class DelayWatch:
    """Finds by how much the echo comes after the place that the streams' positions tell.

    Args:
        rate_hz: of the microphone and the reference.
        reference: what was played.

    Attributes:
        offset: the index of the microphone's sample less that of the reference's which
            sounded at the same moment, as the positions of the streams have it.
        failures: how many searches in succession found no clear echo.
    """

    def __init__(self, rate_hz: int, reference: Reference) -> None:
        self.offset = 0
        self.failures = 0
        self._rate_hz = rate_hz
        self._reference = reference
        self._heard = bytearray()
        self._loud = self._silent = 0  # frames since the last search, since the last sound
        self._due = True  # this reply was not searched yet
        self._search: Iterator[int | None] = iter(())

    @property
    def lost(self) -> bool:
        """Whether it searched in vain often enough."""
        return self.failures >= _SEARCHES

    def restart(self, offset: int) -> None:
        """The positions are others now, and so may be the delay."""
        self.offset = offset
        self.failures = 0
        self.doubt()

    def doubt(self) -> None:
        """Search again, over what is heard from now on."""
        self._heard.clear()
        self._search = iter(())
        self._loud = 0
        self._due = True

    def hear(self, frame: bytes, end: int, *, loud: bool) -> int | None:
        """Take the microphone's next frame; return the delay when one was just found.

        Args:
            frame: its samples.
            end: the index of the microphone's sample behind it.
            loud: whether the loudspeaker sounds in it.

        Returns:
            samples, below zero if the positions told too late a place; else None.
        """
        self._heard += frame
        del self._heard[: max(0, len(self._heard) - self._samples(_SPAN_MS) * FRAME_BYTES)]
        self._silent = 0 if loud else self._silent + 1
        self._due = self._due or self._silent == _PAUSE_FRAMES
        self._loud += loud
        if self._silent >= _PAUSE_FRAMES:
            self._loud = 0
        if self._due and self._loud >= _LOUD_FRAMES:
            self._due, self._loud = False, 0
            self._search = self._begin(end)
        return self._go_on()

    def _begin(self, end: int) -> Iterator[int | None]:
        heard = bytes(self._heard)
        count = len(heard) // FRAME_BYTES + self._samples(_EARLY_MS + LATE_MS)
        last = end - self.offset + self._samples(_EARLY_MS)
        return find_delay(self._reference.at(last - count, count), heard, self._rate_hz)

    def _go_on(self) -> int | None:
        for found in islice(self._search, _STEPS_A_FRAME):
            if found is not None and found >= 0:
                self.failures = 0
                return found - self._samples(_EARLY_MS)
            if found is not None:
                self.failures += 1
                self._due = not self.lost  # then the next reply is soon enough
        return None

    def _samples(self, duration_ms: int) -> int:
        return self._rate_hz * duration_ms // 1000
