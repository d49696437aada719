"""From what the microphone hears and what the loudspeaker played to what is said in the room.

Both are counted in samples of the microphone's clock. The delay between the two counts is
searched in the sound itself, once a reply, and kept for the next: the adaptive filter is as
long as the room's answer and no longer, and must not be led astray by a reference that comes
at the wrong time. No device, no clock: time is the number of samples.
"""

from math import hypot

from mmid.hal_linux.audio.alsa import FRAME_BYTES
from mmid.hal_linux.audio.echo.bypass import Bypass
from mmid.hal_linux.audio.echo.convergence import Convergence, EchoState
from mmid.hal_linux.audio.echo.delay_watch import LATE_MS, DelayWatch
from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS, LibspeexdspCanceller
from mmid.hal_linux.audio.echo.reference import Reference
from mmid.hal_linux.audio.samples import to_numbers

# Mean square of a frame (-61 dBFS) from which on the loudspeaker is heard.
_SOUNDS = 900.0

# So many samples of a frame tell its loudness.
_LOOKED_AT = 32

# The direct sound is put this far behind the filter's beginning: the search may be wrong by a
# sample or two, and drift moves it.
_MARGIN_MS = 8


class EchoCanceller:
    """Takes the loudspeaker out of the microphone's sound, or mutes what it cannot mend.

    Args:
        rate_hz: the microphone's.
        tail_ms: how long the room answers.
        reference: what the loudspeaker played, at that rate.

    Attributes:
        convergence: how well it does.
        index: of the next frame's first sample, counted from the first that was ever heard.
        frame: how many samples it takes at a time.
        delay: by how many samples the echo comes after the sound, as the streams' positions
            have it; None: it was not found yet.
    """

    def __init__(self, rate_hz: int, tail_ms: int, reference: Reference) -> None:
        self.convergence = Convergence()
        self.delay: int | None = None
        self.index = 0
        self.frame = rate_hz * FRAME_MS // 1000
        self._silence = bytes(self.frame * FRAME_BYTES)
        self._tail = rate_hz * tail_ms // 1000
        self._reference = reference
        canceller = LibspeexdspCanceller(rate_hz, self.frame, tail_ms)
        self._filter = Bypass(canceller, self.frame, tail_ms)
        self._watch = DelayWatch(rate_hz, reference)
        # The filter gets each sample of the microphone beside the reference's with an index that is
        # so much less.
        self._shift = 0
        self._loudness_before = 0.0  # of the frame before
        self._echo_ends = 0  # the index at which the room has answered the last sound

    @property
    def muted(self) -> bool:
        """Whether the microphone is muted while the loudspeaker sounds."""
        return self.convergence.state is not EchoState.ON

    @property
    def echoes(self) -> bool:
        """Whether the room may still answer what was played."""
        return self.index <= self._echo_ends

    @property
    def lost(self) -> bool:
        """Whether it searched for the echo in vain."""
        return self._watch.lost

    def restart(self, offset: int) -> None:
        """Look for the delay anew: one of the streams began, or lost samples.

        Args:
            offset: the index of a microphone's sample less that of the reference's which
                sounded at the same moment, as well as the devices tell.
        """
        self._shift = offset
        self._watch.restart(offset)
        self.convergence.restart()
        self.delay = None

    def begin(self) -> None:
        """Another recording begins; what is known of the room is kept."""
        self._filter.begin()

    def volume_changed(self) -> None:
        """The loudspeaker is louder now, or less loud: what is taken out has to be proved again.

        The filter learns it within a second or two, in which the cloud would hear a voice.
        """
        self.convergence.restart()

    def cancel(self, heard: bytes) -> bytes:
        """Return what is said in the room, for the next frame that the microphone heard."""
        played = self._reference.at(self.index - self._shift, self.frame)
        # Between replies it is silence to the bit: comparing costs less than a loudness.
        sounds = played != self._silence and _loudness(played) > _SOUNDS
        self.index += self.frame
        if sounds:
            # Until the echo is taken out its delay may be unknown: it may come as late as any that
            # is searched for, and is muted until then.
            late = self.frame * LATE_MS // FRAME_MS if self.muted else 0
            self._echo_ends = self.index + self._tail + late
        found = self._watch.hear(heard, self.index, loud=sounds)
        if found is not None:
            self._place(found)
        elif self.delay is None and self.lost:
            self._place(0)
        # A filter that adapted to a reference at a wrong time would have to unlearn that first.
        known = self.delay is not None
        left = self._filter.cancel(heard, played if known else self._silence)
        self._judge(heard, left, sounds=sounds and known)
        return self._silence if self.muted and self.echoes else left

    def _place(self, delay: int) -> None:
        """Move the reference so that the filter reaches an echo that comes so late.

        Each move makes the filter learn the room anew. So none is made for a direct sound that is
        not at the filter's very beginning and leaves half of it to the room's answer.
        """
        margin = self.frame * _MARGIN_MS // FRAME_MS
        direct = self._watch.offset + delay - self._shift  # its place in the filter
        if self.delay is None or not margin // 4 <= direct <= self._tail // 2:
            self._shift += direct - margin
        self.delay = delay

    def _judge(self, heard: bytes, left: bytes, *, sounds: bool) -> None:
        # What is left comes a frame late (``bypass``).
        loudness, self._loudness_before = self._loudness_before, _loudness(heard)
        if sounds:
            good = not self.convergence.poor
            self.convergence.echo(loudness, _loudness(left))
            if good and self.convergence.poor:
                self._watch.doubt()
        elif self.index > self._echo_ends:
            self.convergence.quiet(loudness)


def _loudness(samples: bytes) -> float:
    """Return the mean square of some of the samples, about their mean: enough for a loudness.

    A microphone's constant offset is no sound. If it were in the loudness of what was heard, and
    not of what is left, an echo that is all there would be taken for one that is taken out.
    """
    numbers = to_numbers(samples)
    numbers = numbers[:: len(numbers) // _LOOKED_AT]
    count = len(numbers)
    # The distance from zero is half the work of a sum of products.
    return max(0.0, hypot(*numbers) ** 2 / count - (sum(numbers) / count) ** 2)
