"""What a simulated cloud hears: one speech, its length, and where a voice is in it.

It recognises nothing. It counts, keeps the exact bytes, and tells voice from
silence by loudness, which is enough to end a speech as a cloud does.
"""

import sys
from array import array
from collections.abc import Callable

Decode = Callable[[bytes], bytes]

# Less cannot hold a syllable: the cloud answers NoSpeechRecognized.
SHORTEST_S = 0.1

# Bounds the memory of one connection; no utterance is this long.
LONGEST_S = 120.0

# Silence before a voice is kept only so far back.
_LEAD_S = 10.0

# Mean loudness of a block (of 32768) from which on it counts as voice: far
# above the noise floor of a microphone, far below any speech.
_VOICE = 300
_BLOCK_S = 0.02


class Speech:
    """One speech as it arrives.

    Args:
        rate_hz: its sample rate.
        pause_s: look for a voice and the pause of this length that ends it; None: the
            client says when it ends.
        decode: makes samples of a frame, if it is a packet of a codec.

    Attributes:
        data: its samples so far.
        packets: its packets so far, if there is a codec.
        voiced: a voice was heard in it.
    """

    def __init__(
        self, rate_hz: int, *, pause_s: float | None = None, decode: Decode | None = None
    ) -> None:
        self._rate_hz = rate_hz
        self._pause_s = pause_s
        self._silence = 0  # samples
        self._decode = decode
        self.packets: list[bytes] = []
        self.data = bytearray()
        self.voiced = False

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.data) / (2 * self._rate_hz)

    @property
    def paused(self) -> bool:
        """A voice was heard, and then the pause that ends a speech."""
        if not self.voiced or self._pause_s is None:
            return False
        return self._silence >= self._pause_s * self._rate_hz

    def add(self, data: bytes) -> None:
        """Take a frame: 16-bit little-endian mono samples (an even size), or a packet."""
        if self._decode is not None:
            self.packets.append(data)
            data = self._decode(data)
        self.data += data
        if self._pause_s is not None:
            self._listen(data)

    def _listen(self, data: bytes) -> None:
        samples = array("h", data)
        if sys.byteorder == "big":
            samples.byteswap()
        block = int(self._rate_hz * _BLOCK_S)
        for start in range(0, len(samples), block):
            self._hear(samples[start : start + block])
        if not self.voiced:
            del self.data[: -int(self._rate_hz * _LEAD_S) * 2]

    def _hear(self, block: "array[int]") -> None:
        if sum(map(abs, block)) >= _VOICE * len(block):
            self.voiced = True
            self._silence = 0
        else:
            self._silence += len(block)
