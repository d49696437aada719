"""When what happened in the last turns: where a user's waiting time goes.

A turn begins with a press (or a question in writing) and ends when the reply
was heard, or the next one begins. Moments are seconds since its beginning.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from mmid.events import AsrComplete, AsrIncomplete, Event, LlmComplete, LlmIncomplete

__all__ = ["TURNS_KEPT", "Moment", "Timeline", "Turn"]

# What fits a screen, and 5 KiB.
TURNS_KEPT = 16


class Moment(StrEnum):
    """What a user's patience is spent on, in the order in which it should happen."""

    AUDIO_SENT = "audio-sent"  # the first frame of speech is on the wire
    FIRST_TEXT = "first-text"  # the cloud shows that it hears
    RELEASE = "release"  # the speech is over
    FINAL_TEXT = "final-text"  # what was understood
    REPLY_TEXT = "reply-text"  # the reply's first words
    REPLY_AUDIO = "reply-audio"  # the reply's first sound arrived
    HEARD = "heard"  # the loudspeaker plays it
    END = "end"  # it was played to its end


_EVENTS: dict[type[Event], Moment] = {
    AsrIncomplete: Moment.FIRST_TEXT,
    AsrComplete: Moment.FINAL_TEXT,
    LlmIncomplete: Moment.REPLY_TEXT,
    LlmComplete: Moment.REPLY_TEXT,
}


@dataclass(slots=True)
class Turn:
    """One turn.

    Attributes:
        began_ms: wall clock at its beginning, Unix ms.
        moments: seconds from its beginning; what did not happen is not there.
    """

    began_ms: int
    began: float
    moments: dict[Moment, float] = field(default_factory=dict)

    def to_plain(self) -> dict[str, float]:
        """Return it as the D-Bus method gives it: milliseconds by name."""
        passed = {moment.value: 1000 * after for moment, after in self.moments.items()}
        return {"began": float(self.began_ms), **passed}


class Timeline:
    """Keeps the last turns."""

    def __init__(self) -> None:
        self._turns: deque[Turn] = deque(maxlen=TURNS_KEPT)

    def begin(self, now: float, now_ms: int) -> None:
        """A turn begins.

        Args:
            now: the monotonic clock, seconds; as in ``mark``.
            now_ms: the wall clock, Unix ms.
        """
        self._turns.append(Turn(now_ms, now))

    def mark(self, moment: Moment, now: float) -> None:
        """Note when something happened first in this turn."""
        if self._turns:
            turn = self._turns[-1]
            turn.moments.setdefault(moment, now - turn.began)

    def hear(self, event: Event, now: float) -> None:
        """Note what an event tells."""
        moment = _EVENTS.get(type(event))
        if moment is not None:
            self.mark(moment, now)

    def to_plain(self) -> list[dict[str, float]]:
        """Return the turns, the oldest first."""
        return [turn.to_plain() for turn in self._turns]
