"""When to search for the delay, where, and over which sound.

Once a reply, and when there is doubt. A delay that was found before is looked for first where it
was: that is a tenth of the work of a search everywhere, which follows if it is not there.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from mmid.hal_linux.audio.alsa import FRAME_BYTES
from mmid.hal_linux.audio.echo.delay import find_delay
from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS
from mmid.hal_linux.audio.echo.reference import Reference

# The echo is looked for this much around the place that the positions of the streams tell. They
# are good to a period; a sound server, or an amplifier that buffers, adds the rest.
_EARLY_MS = 40
LATE_MS = 500

# And this much around the place where it was found last: a loudspeaker that was moved by two
# metres is still there.
_NEAR_MS = 8

# A search looks at the last second, once the loudspeaker was heard in half a second of it.
_SPAN_FRAMES = 1000 // FRAME_MS
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
    """

    def __init__(self, rate_hz: int, reference: Reference) -> None:
        self.offset = 0
        self._rate_hz = rate_hz
        self._reference = reference
        self._heard: deque[bytes] = deque(maxlen=_SPAN_FRAMES)
        self._loud = self._silent = 0  # frames since the last search, since the last sound
        self._due = True  # this reply was not searched yet
        self._failures = 0  # searches in succession that found no clear echo
        self._found: int | None = None  # the last delay, while there is no doubt of it
        self._first = 0  # the delay with which the search under way begins
        self._search: Iterator[int | None] = iter(())

    @property
    def lost(self) -> bool:
        """Whether it searched in vain often enough."""
        return self._failures >= _SEARCHES

    def restart(self, offset: int) -> None:
        """The positions are others now, and so may be the delay."""
        self.offset = offset
        self._failures = 0
        self.doubt()

    def doubt(self) -> None:
        """Search again, everywhere, over what is heard from now on."""
        self._heard.clear()
        self._search = iter(())
        self._found = None
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
        self._heard.append(frame)
        self._silent = 0 if loud else self._silent + 1
        self._loud += loud
        if self._silent >= _PAUSE_FRAMES:  # what is heard before a reply tells nothing of it
            self._due, self._loud = True, 0
            self._heard.clear()
        if self._due and self._loud >= self._needed_frames:
            self._due, self._loud = False, 0
            self._begin(end)
        return self._go_on()

    @property
    def _needed_frames(self) -> int:
        """So many frames of sound are searched; the echo of the last of them may be to come."""
        late = self._found or 0
        return _LOUD_FRAMES + max(0, late) // self._samples(FRAME_MS)

    def _begin(self, end: int) -> None:
        self._first, last = -self._samples(_EARLY_MS), self._samples(LATE_MS)
        if self._found is not None:
            near = self._samples(_NEAR_MS)
            self._first, last = self._found - near, self._found + near
        heard = b"".join(self._heard)
        count = len(heard) // FRAME_BYTES + last - self._first
        played = self._reference.at(end - self.offset - self._first - count, count)
        self._search = find_delay(played, heard, self._rate_hz)

    def _go_on(self) -> int | None:
        for found in islice(self._search, _STEPS_A_FRAME):
            if found is not None and found >= 0:
                self._failures = 0
                self._found = self._first + found
                return self._found
            if found is not None:
                self._missed()
        return None

    def _missed(self) -> None:
        """The search found nothing clear: not where the echo was, or nowhere."""
        if self._found is not None:
            self._found, self._due = None, True
            self._loud = _LOUD_FRAMES  # over what it has heard already
            return
        self._failures += 1
        self._due = not self.lost  # then the next reply is soon enough

    def _samples(self, duration_ms: int) -> int:
        return self._rate_hz * duration_ms // 1000
