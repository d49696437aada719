"""When to send a heartbeat, and when a silent cloud is dead."""

from math import inf

# The service ends a task after 60 s without a text of its own; its documents
# say "about every 50 s", the contract 45 to 50 (multimodal-dialog section 8).
SILENCE_S = 48.0

# While somebody talks or waits for an answer, a dead cloud must be noticed
# within 20 s; no document forbids to ask more often than every 50 s.
TURN_SILENCE_S = 8.0

# An echo takes one round trip; ten seconds are long for the worst network.
ANSWER_S = 10.0


class HeartbeatTimer:
    """Counts silence. Only text from the cloud resets it: audio and pings do not count.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self._last_text = self._attended_from = now
        self._sent_at: float | None = None

    def attend(self, now: float) -> None:
        """Somebody waits for the cloud from now on: a shorter silence may count, from here."""
        self._attended_from = now

    def text_received(self, now: float) -> None:
        """The cloud sent text; it lives."""
        self._last_text = now
        self._sent_at = None

    def audio_received(self) -> None:
        """The cloud sent audio: no reason to wait for an echo that is queued behind it."""
        self._sent_at = None

    def sent(self, now: float) -> None:
        """A heartbeat was sent."""
        self._sent_at = now
        self._last_text = now

    def due(self, *, attended: bool) -> float:
        """When the next heartbeat is to be sent, one at a time.

        Args:
            attended: somebody waits for the cloud, since ``attend``.
        """
        if self._sent_at is not None:
            return inf
        at_rest = self._last_text + SILENCE_S
        if not attended:
            return at_rest
        return min(at_rest, max(self._last_text, self._attended_from) + TURN_SILENCE_S)

    @property
    def dead_at(self) -> float:
        """When an unanswered heartbeat proves the cloud dead; ``inf`` if none is out."""
        return inf if self._sent_at is None else self._sent_at + ANSWER_S
