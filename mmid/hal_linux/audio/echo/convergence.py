"""How much of the echo is taken out, and whether that is enough to keep the microphone open.

Pure: energies of frames in, a judgement out. While a reply plays, what is left of it must
not be heard as a voice; what a talker says then must be. Both are "loud" behind the canceller,
so a judgement of less echo is never made from one loud frame: a talker pauses between words,
an echo that is not taken out does not.
"""

from collections import deque
from enum import StrEnum
from math import log10

from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS

# Enough that what is left of a reply is no voice: clouds take what is 20 dB above the noise.
GOOD_DB = 15.0
_POOR_DB = 10.0

# Left over no louder than this much above the room's noise: nothing is heard of it.
_ABOVE_NOISE_DB = 6.0

# Frames in which the loudspeaker was heard: 0.6 s prove it good, three seconds prove it poor,
# and in eight it should have learnt the room.
_PROOF = 600 // FRAME_MS
_DOUBT = 3000 // FRAME_MS
_LONGEST = 8000 // FRAME_MS
_EVERY = 200 // FRAME_MS  # so often it is judged

# The noise is the quietest that was heard of late: it is taken to rise by 1 dB in a second.
_NOISE_RISES = 10 ** (0.1 * FRAME_MS / 1000)


class EchoState(StrEnum):
    """How far the canceller is."""

    CONVERGING = "converging"
    ON = "on"
    POOR = "poor"


class Convergence:
    """Judges the canceller by the energies of what it got and what it left.

    Attributes:
        state: ``CONVERGING`` until it was good once, ``POOR`` if it does not get good or is
            no more.
    """

    def __init__(self) -> None:
        self.state = EchoState.CONVERGING
        self._noise = 0.0
        self._frames: deque[tuple[float, float]] = deque(maxlen=_DOUBT)
        self._seen = 0

    @property
    def poor(self) -> bool:
        """Whether it should be good by now, and is not."""
        return self.state is EchoState.POOR

    @property
    def erle_db(self) -> float:
        """Echo return loss enhancement: by how much less loud the echo is behind the canceller.

        Over the last three seconds of echo; 0 if there was none. Of the median frame, as one with
        a talker in it tells nothing.
        """
        ratios = sorted(heard / left for heard, left in self._frames)
        return 10 * log10(ratios[len(ratios) // 2]) if ratios else 0.0

    def restart(self) -> None:
        """The echo comes otherwise from now on: prove it again."""
        self.state = EchoState.CONVERGING
        self._frames.clear()
        self._seen = 0

    def quiet(self, heard: float) -> None:
        """The loudspeaker was silent in this frame; so loud (mean square) is the room."""
        self._noise = min(heard, self._noise * _NOISE_RISES) if self._noise else heard

    def echo(self, heard: float, left: float) -> None:
        """The loudspeaker sounded: what the microphone heard, what is left (mean squares)."""
        self._frames.append((heard + 1, left + 1))
        self._seen += 1
        if self._seen % _EVERY == 0:
            self._judge()

    def _judge(self) -> None:
        recent = list(self._frames)[-_PROOF:]
        if len(recent) == _PROOF and self._good(recent):
            self.state = EchoState.ON
        elif self._seen >= (_DOUBT if self.state is EchoState.ON else _LONGEST) and self._poor():
            self.state = EchoState.POOR

    def _good(self, frames: list[tuple[float, float]]) -> bool:
        heard, left = (sum(energies) for energies in zip(*frames, strict=True))
        return heard / left >= _power(GOOD_DB) or self._inaudible(left / len(frames))

    def _poor(self) -> bool:
        """Whether even the best tenth of the frames is poor: a talker pauses more than that."""
        ratios = sorted(heard / left for heard, left in self._frames)
        mean = sum(left for _, left in self._frames) / len(self._frames)
        return ratios[len(ratios) * 9 // 10] < _power(_POOR_DB) and not self._inaudible(mean)

    def _inaudible(self, left: float) -> bool:
        return left <= (self._noise + 1) * _power(_ABOVE_NOISE_DB)


def _power(decibels: float) -> float:
    return 10 ** (decibels / 10)
