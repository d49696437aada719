"""When what happened in the last turns: where a user's waiting time goes.

A turn begins with a press (in duplex with the first sound of speech, else with
a question in writing) and ends when the next one begins. All times are those
of the monotonic clock, in seconds.
"""

from collections import deque
from collections.abc import Callable
from enum import StrEnum

from mmid.events import AsrComplete, AsrIncomplete, AsrStart, Event, LlmComplete, LlmIncomplete

# What fits a screen, and 5 KiB.
TURNS_KEPT = 16


class Moment(StrEnum):
    """What a user waits for, in the order in which it should happen."""

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


class Timeline:
    """Keeps the last turns.

    Args:
        clock: the monotonic clock, seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # When each began, and what happened in it: seconds since then.
        self._turns: deque[tuple[float, dict[Moment, float]]] = deque(maxlen=TURNS_KEPT)

    def begin(self, began: float) -> None:
        """A turn began then, by the monotonic clock."""
        self._turns.append((began, {}))

    def mark(self, moment: Moment) -> None:
        """Note that something happens, if it is the first time in this turn."""
        if self._turns:
            began, moments = self._turns[-1]
            if moment not in moments:  # each piece of a reply comes here: see before the clock
                moments[moment] = self._clock() - began

    def hear(self, event: Event) -> None:
        """Note what an event tells."""
        understood = not self._turns or Moment.FINAL_TEXT in self._turns[-1][1]
        if isinstance(event, AsrStart) and understood:
            self.begin(self._clock())  # nobody pressed, and the speech before is over: it is duplex
        moment = _EVENTS.get(type(event))
        if moment is not None:
            self.mark(moment)

    def to_plain(self, now_ms: int) -> list[dict[str, float]]:
        """Return the turns as the D-Bus method gives them, the oldest first.

        Args:
            now_ms: the wall clock, Unix ms.

        Returns:
            For each turn ``began`` in Unix ms, and its moments in ms since then.
        """
        now = self._clock()
        return [
            {
                "began": now_ms - 1000 * (now - began),
                **{moment.value: 1000 * after for moment, after in moments.items()},
            }
            for began, moments in self._turns
        ]
