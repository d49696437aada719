"""What this cloud adds to a turn: names of its parts, functions, and responses that die late."""

from collections import deque
from dataclasses import dataclass, field
from math import inf

from mmid.session.dialects.turn import Recognition, Reply
from mmid.session.effects import Effects

# Without a final transcript so long after the commit, the preview is the final one (section 16).
ASR_GRACE_S = 1.5

# A cancelled response is over when it says so, or after so long (section 8).
DYING_S = 5.0

# Ids of responses that are not to be heard any more; a stray part of one comes at once or never.
_DEAD_REMEMBERED = 16


@dataclass(slots=True)
class RealtimeRecognition(Recognition):
    """What the service understands of a speech.

    Attributes:
        item_id: of the speech; a transcript of another one is late.
        due: when the preview becomes the final text.
        silent: nobody speaks in this turn; what sound there is goes with a picture.
    """

    item_id: str = ""
    due: float = inf
    silent: bool = False

    def end(self) -> Effects:
        """No final text came in time: what was understood is final."""
        return self.complete(self.preview) if self.open else []


@dataclass(slots=True)
class RealtimeReply(Reply):
    """One response of the model.

    Attributes:
        id: of the response; empty where the service does not name it.
        channel: the first kind of text that came; another one would say the same twice.
        calls: functions that it called and that have not answered: call id -> name.
        called: it called functions, so another response has to follow.
        heard_bytes: how much sound came that was not counted yet.
    """

    id: str = ""
    channel: str = ""
    calls: dict[str, str] = field(default_factory=dict)
    called: bool = False
    heard_bytes: int = 0

    def read_delta(self, channel: str, delta: str, now: float) -> Effects:
        """More of its text came."""
        self.channel = self.channel or channel
        if channel != self.channel or not delta:
            return []
        return self.read(self.text + delta, now)

    def read_channel(self, channel: str, text: str) -> Effects:
        """Its text is whole."""
        if channel != (self.channel or channel):
            return []
        self.channel = channel
        return self.read_whole(text)


class Dying:
    """The responses that were cancelled: one that has yet to end, and those that are dead.

    Attributes:
        until: when the one that has yet to end is thought to have; ``-inf``: there is none.
    """

    def __init__(self) -> None:
        self.until = -inf
        self._unborn = False
        self._id = ""
        self._dead: deque[str] = deque(maxlen=_DEAD_REMEMBERED)

    def cancel(self, response_id: str, now: float, *, born: bool) -> None:
        """A response is not wanted any more; ``born``: the service has told of it."""
        self.until, self._unborn, self._id = now + DYING_S, not born, response_id
        if response_id:
            self._dead.append(response_id)

    def wait(self, now: float) -> None:
        """Some response is active, says the service; we do not know which."""
        self.until = max(self.until, now + DYING_S)

    @property
    def waits(self) -> bool:
        """Whether a response has yet to end."""
        return self.until != -inf

    def takes(self, response_id: str) -> bool:
        """Tell whether a response that begins now is the one that was cancelled before."""
        if not self._unborn:
            return False
        self._unborn, self._id = False, response_id
        self._dead.append(response_id)
        return True

    def has(self, response_id: str) -> bool:
        """Tell whether a part belongs to a response that nobody wants to hear."""
        return response_id in self._dead or (self.waits and not response_id and not self._unborn)

    def ended(self, response_id: str = "") -> None:
        """One of them has ended; without an id: whichever it was."""
        if self.waits and response_id in {"", self._id}:
            self.until, self._unborn = -inf, False
