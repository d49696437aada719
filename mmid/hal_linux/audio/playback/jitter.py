"""How much of a reply is collected before the loudspeaker starts: the jitter buffer's size."""

from mmid.hal_linux.audio.alsa import FRAME_BYTES

_LEAST_MS = 60
_MOST_MS = 400
_STEP_DOWN_MS = 20


class JitterBuffer:
    """Adapts to the network: up fast when the loudspeaker ran dry, down slowly.

    A network that stalled once in a reply stalls again, so the fill doubles
    at once; each reply without a gap takes a step back, for the delay is paid
    at the start of every reply. It outlives replies and connections.

    Args:
        rate_hz: samples a second.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._fill_ms = _LEAST_MS
        self._dry = False

    @property
    def fill_bytes(self) -> int:
        """How much to collect before playing starts, or starts again."""
        return self._bytes(self._fill_ms)

    @property
    def most_bytes(self) -> int:
        """The largest ``fill_bytes`` that there may be."""
        return self._bytes(_MOST_MS)

    def ran_dry(self) -> None:
        """The loudspeaker had nothing to play in mid-reply."""
        self._dry = True
        self._fill_ms = min(_MOST_MS, 2 * self._fill_ms)

    def reply_ended(self) -> None:
        """A reply was heard whole, or was cut."""
        if not self._dry:
            self._fill_ms = max(_LEAST_MS, self._fill_ms - _STEP_DOWN_MS)
        self._dry = False

    def _bytes(self, duration_ms: int) -> int:
        return self._rate_hz * duration_ms // 1000 * FRAME_BYTES
