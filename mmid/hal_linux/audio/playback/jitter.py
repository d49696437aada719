"""How much of a reply is collected before the loudspeaker starts: the jitter buffer's size."""

__all__ = ["JitterBuffer"]

_LEAST_MS = 60
_MOST_MS = 400
_STEP_DOWN_MS = 20


class JitterBuffer:
    """Adapts to the network: up fast when the loudspeaker ran dry, down slowly.

    A network that stalled once in a reply stalls again, so the fill doubles
    at once; each reply without a gap takes a step back, for the delay is paid
    at the start of every reply. It outlives replies and connections.
    """

    def __init__(self) -> None:
        self._fill_ms = _LEAST_MS
        self._dry = False

    @property
    def fill_ms(self) -> int:
        """How much to collect before playing starts, or starts again."""
        return self._fill_ms

    def ran_dry(self) -> None:
        """The loudspeaker had nothing to play in mid-reply."""
        self._dry = True
        self._fill_ms = min(_MOST_MS, 2 * self._fill_ms)

    def reply_ended(self) -> None:
        """A reply was heard whole, or was cut."""
        if not self._dry:
            self._fill_ms = max(_LEAST_MS, self._fill_ms - _STEP_DOWN_MS)
        self._dry = False
