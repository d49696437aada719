"""What this cloud adds to a turn: texts that come in pieces, and replies that nobody asked for."""

from collections import deque
from dataclasses import dataclass, field
from math import inf

from mmid.session.dialects.turn import LONGEST_TEXT, Recognition, Reply
from mmid.session.effects import Effects

# The same final question comes again so soon, as another kind of message (section 5.1).
_AGAIN_S = 2.0

# A voice that is heard, and nothing of it for so long: it was none.
_SILENCE_S = 15.0

# Sound so long before its BEGIN belongs to it (section 8); what is older is the end of another.
_EARLY_S = 1.0
_EARLY_BYTES = 64 * 1024
# Of a reply that waits for the one before: as much as a player keeps.
_LATER_BYTES = 4 << 20


@dataclass(slots=True)
class Question(Recognition):
    """What the cloud understands.

    Attributes:
        text: the final question, as far as it goes.
        silent: it was put in writing: nothing is heard.
        untold: nobody wants its text (``dialog.text_mode``).
        due: when a voice that was heard was none.
    """

    text: str = ""
    silent: bool = False
    untold: bool = False
    due: float = inf
    _final_at: float = -inf

    def hear(self, now: float) -> Effects:
        """A voice is heard."""
        if self.silent:
            return []
        self.due = now + _SILENCE_S
        return self.start()

    def preview_is(self, text: str, now: float, *, goes_on: bool) -> Effects:
        """So much is understood by now."""
        whole = _joined(self.text, text) if goes_on else text
        heard = self.hear(now)
        return heard if self.untold else [*heard, *self.understand(whole)]

    def final_is(self, text: str, now: float, *, goes_on: bool) -> Effects:
        """All is understood; what is said again is told once."""
        whole = _joined(self.text, text) if goes_on else text
        if self.silent or (self.ended and whole == self.text and now - self._final_at <= _AGAIN_S):
            return []
        self.text, self._final_at = whole, now
        return self.complete("" if self.untold else whole)


@dataclass(slots=True)
class SpokenReply(Reply):
    """One reply.

    Attributes:
        waits: the loudspeaker is not its yet: it has not begun, or another is still heard.
        begun: the cloud said that it speaks.
        whole: all of its text came while it waited.
        text_due: it is over, and its text may still come.
    """

    waits: bool = False
    begun: bool = False
    whole: bool = False
    text_due: bool = False
    _held: deque[bytes] = field(default_factory=deque)
    _held_bytes: int = 0
    _held_at: float = -inf

    @property
    def told(self) -> bool:
        """Whether its whole text was told, which is done once."""
        return self._told_at == inf

    def read_more(self, text: str, now: float) -> Effects:
        """More of its text came: all of it so far, or only what is new (section 5.1)."""
        text = _joined(self.text, text)
        if not self.waits:
            return [] if self.told else self.read(text, now)
        self.text = text[:LONGEST_TEXT]
        return []

    def read_last(self, text: str) -> Effects:
        """Its whole text came."""
        self.text_due = False
        if not self.waits:
            return [] if self.told else self.read_whole(text)
        self.text, self.whole = text[:LONGEST_TEXT], True
        return []

    def begin(self, now: float) -> None:
        """The cloud says that it speaks."""
        self.begun = True
        if now - self._held_at > _EARLY_S:
            self._drop_held()

    def take(self, audio: bytes, now: float) -> Effects:
        """Sound of it came."""
        if not self.waits:
            return self.hear(audio)
        if not self.begun and now - self._held_at > _EARLY_S:
            self._drop_held()
        if self._held_bytes + len(audio) <= (_LATER_BYTES if self.begun else _EARLY_BYTES):
            self._held.append(audio)
            self._held_bytes += len(audio)
        self._held_at = now
        return []

    def release(self, now: float) -> Effects:
        """The loudspeaker is its: tell and play what was kept until then."""
        if not self.waits:
            return self.speak()
        self.waits = self.inaudible = False
        effects = self.speak()
        if self.text:
            effects += self.read_last(self.text) if self.whole else self.read(self.text, now)
        for audio in self._held:
            effects += self.hear(audio)
        self._drop_held()
        return [*effects, *self.end()] if self.over else effects

    def finish(self) -> Effects:
        """It is over; if it still waits, its voice ends later."""
        self.text_due = not (self.told or self.text)
        self.over = True
        return [] if self.waits else self.end()

    def _drop_held(self) -> None:
        self._held.clear()
        self._held_bytes = 0


def _joined(before: str, text: str) -> str:
    """Return a text that grows: the new one has the old one in it, or goes on with it."""
    return text if text.startswith(before) else before + text
