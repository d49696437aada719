"""Leaves the filter out while nothing is played: most of the time in a dialog.

The filter's sound comes a frame late, for its preprocessor works in windows that overlap. What
goes past it is as late, and from the one to the other it is faded: no click, no gap, and the
microphone's constant offset, which the filter takes out, makes no jump.
"""

from array import array

from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS, LibspeexdspCanceller
from mmid.hal_linux.audio.samples import from_numbers, to_numbers

# After so much silence behind the room's answer: the pauses of a reply are shorter.
_SILENT_MS = 1000


class Bypass:
    """A canceller that rests while its reference is silent, and keeps what it knows.

    Args:
        canceller: cancels.
        frame: samples in a frame.
        tail_ms: how long the room answers.
    """

    def __init__(self, canceller: LibspeexdspCanceller, frame: int, tail_ms: int) -> None:
        self._canceller = canceller
        self._silence = self._before = bytes(2 * frame)
        self._least = (tail_ms + _SILENT_MS) // FRAME_MS  # frames of silence; after them it rests
        self._silent = self._least + 1  # frames since the last sound: it begins at rest

    def begin(self) -> None:
        """Another recording begins: what was heard before it is nobody's."""
        self._before = self._silence

    def cancel(self, heard: bytes, played: bytes) -> bytes:
        """Return the frame before this one, without the echo of what was played."""
        before, self._before = self._before, heard
        rested = self._silent > self._least
        self._silent = self._silent + 1 if played == self._silence else 0
        if self._silent > self._least and rested:
            return before
        if rested:  # its windows overlap: what they still hold is from before the rest
            self._canceller.cancel(before, self._silence)
        left = self._canceller.cancel(heard, played)
        if rested:
            return _fade(before, left)
        return _fade(left, before) if self._silent > self._least else left


def _fade(old: bytes, new: bytes) -> bytes:
    """Return what begins as the one and ends as the other."""
    pairs = list(zip(to_numbers(old), to_numbers(new), strict=True))
    count = len(pairs)
    mixed = [(one * (count - at) + other * at) // count for at, (one, other) in enumerate(pairs)]
    return from_numbers(array("h", mixed))
