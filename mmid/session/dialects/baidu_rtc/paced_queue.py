"""What waits to be sent: texts and speech in one order, texts not too many a second."""

from collections import deque
from math import inf

from mmid.session.effects import Effects, Send, SendAudio, SpeechDropped

# "Under 10 per second" (section 5.2).
_MOST_PER_S = 9

# Texts that wait to leave: a person's second of wild tapping, answers to eight functions.
_ROOM = 32


class PacedQueue:
    """What we send, in its order: texts not too many a second, and all of it held if need be.

    Args:
        room_bytes: most bytes of speech that wait; beyond it the oldest go.

    Attributes:
        held: nothing leaves now.
    """

    def __init__(self, room_bytes: int) -> None:
        self.held = False
        self._room_bytes = room_bytes
        self._waiting: deque[Send | SendAudio] = deque()
        self._speech_bytes = self._texts = 0
        self._left: deque[float] = deque(maxlen=_MOST_PER_S)

    @property
    def full(self) -> bool:
        """Whether a person's next wish would have to wait too long."""
        return self._texts >= _ROOM

    @property
    def due(self) -> float:
        """When the next of what waits may leave; ``inf``: nothing does by itself."""
        if not self._waiting or self.held:
            return inf
        return self._left[0] + 1.0 if len(self._left) == _MOST_PER_S else -inf

    def at_once(self, text: str, now: float) -> Effects:
        """Send a text before all that waits."""
        self._left.append(now)
        return [Send(text)]

    def text(self, *texts: str, now: float) -> Effects:
        """Send texts when it is their turn."""
        self._waiting.extend(map(Send, texts))
        self._texts += len(texts)
        return self.drain(now)

    def speech(self, sound: SendAudio, now: float) -> Effects:
        """Send speech when it is its turn: after the text that it follows."""
        if not self._waiting and not self.held:
            return [sound]
        self._waiting.append(SendAudio(sound.data, backlog=True))
        self._speech_bytes += len(sound.data)
        return [*self._make_room(), *self.drain(now)]

    def drain(self, now: float) -> Effects:
        """Send what may leave now."""
        effects: Effects = []
        while self._waiting and not self.held:
            if isinstance(self._waiting[0], Send):
                if self.due > now:
                    break
                self._left.append(now)
                self._texts -= 1
            else:
                self._speech_bytes -= len(self._waiting[0].data)
            effects.append(self._waiting.popleft())
        return effects

    def _make_room(self) -> Effects:
        dropped = 0
        for item in [item for item in self._waiting if isinstance(item, SendAudio)]:
            if self._speech_bytes - dropped <= self._room_bytes:
                break
            self._waiting.remove(item)
            dropped += len(item.data)
        self._speech_bytes -= dropped
        return [SpeechDropped(dropped)] if dropped else []
