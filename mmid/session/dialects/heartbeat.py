"""When to send a heartbeat, and when a silent cloud is dead."""

from math import inf

__all__ = ["ANSWER_S", "SILENCE_S", "Heartbeat"]

# The service ends a task after 60 s without a text of its own; its documents
# say "about every 50 s", the contract 45 to 50 (multimodal-dialog section 8).
SILENCE_S = 48.0

# An echo takes one round trip; ten seconds are long for the worst network.
ANSWER_S = 10.0


class Heartbeat:
    """Counts silence. Only text from the cloud resets it: audio and pings do not count.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self._last_text = now
        self._sent_at: float | None = None

    def text_received(self, now: float) -> None:
        """The cloud sent text; it lives."""
        self._last_text = now
        self._sent_at = None

    def audio_received(self) -> None:
        """The cloud sent audio: no reason to wait for an echo that is queued behind it."""
        if self._sent_at is not None:
            self._sent_at = None

    def sent(self, now: float) -> None:
        """A heartbeat was sent."""
        self._sent_at = now
        self._last_text = now

    @property
    def due(self) -> float:
        """When the next heartbeat is to be sent."""
        return self._last_text + SILENCE_S

    @property
    def dead_at(self) -> float:
        """When an unanswered heartbeat proves the cloud dead; ``inf`` if none is out."""
        return inf if self._sent_at is None else self._sent_at + ANSWER_S
