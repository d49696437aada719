"""The floor of echo cancellation: the calls of libspeexdsp, and nothing that finds the echo.

No delay is searched, no clock watched, nothing judged or muted.
"""

from mmid.hal_linux.audio.echo.libspeexdsp import (
    FRAME_MS,
    LibspeexdspCanceller,
    LibspeexdspResampler,
)

# How long a room answers, as mmid has it.
TAIL_MS = 200

_UP_HZ = 16000
_UP_FRAMES = _UP_HZ * FRAME_MS // 1000
_UP_BYTES = 2 * _UP_FRAMES


class BareCanceller:
    """Takes what was played out of what was heard, in frames as long as mmid's.

    Args:
        down_hz: rate of what is played.
    """

    def __init__(self, down_hz: int) -> None:
        self._resampler = LibspeexdspResampler(down_hz, _UP_HZ)
        self._canceller = LibspeexdspCanceller(_UP_HZ, _UP_FRAMES, TAIL_MS)
        self._down_bytes = 2 * (down_hz * FRAME_MS // 1000)
        self._played, self._heard = bytearray(), bytearray()

    def play(self, samples: bytes) -> None:
        """Take what goes to the loudspeaker."""
        self._played += samples

    def clean(self, heard: bytes) -> bytes:
        """Return what was heard without what was played, in whole frames; the rest is kept."""
        self._heard += heard
        cleaned = []
        while len(self._heard) >= _UP_BYTES:
            cleaned.append(self._canceller.cancel(bytes(self._heard[:_UP_BYTES]), self._next()))
            del self._heard[:_UP_BYTES]
        return b"".join(cleaned)

    def _next(self) -> bytes:
        played = bytes(self._played[: self._down_bytes]).ljust(self._down_bytes, b"\0")
        del self._played[: self._down_bytes]
        # At first the resampler keeps some back.
        return self._resampler.convert(played).ljust(_UP_BYTES, b"\0")[:_UP_BYTES]
