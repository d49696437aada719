"""What is remembered of the turn under way, so that every start has its end."""

from collections import deque
from dataclasses import dataclass, field
from math import inf

from mmid.events import (
    AsrComplete,
    AsrEnd,
    AsrIncomplete,
    AsrStart,
    LlmComplete,
    LlmIncomplete,
    TtsEnd,
    TtsStart,
)
from mmid.session.dialects.json_text import whole
from mmid.session.dialects.qwen_realtime.messages import LONGEST_TEXT
from mmid.session.effects import Effects, Emit, FinishPlayer, FlushPlayer, Play, StartPlayer

# Without a final transcript so long after the commit, the preview is the final one (section 16).
ASR_GRACE_S = 1.5

# A text that grows is told so often at most.
_TEXT_EVERY_S = 0.1

# A cancelled response is over when it says so, or after so long (section 8).
DYING_S = 5.0

# Ids of responses that are not to be heard any more; a stray part of one comes at once or never.
_DEAD_REMEMBERED = 16


@dataclass(slots=True)
class Recognition:
    """What the service understands of a speech.

    Attributes:
        item_id: of the speech; a transcript of another one is late.
        open: AsrStart was told, AsrEnd was not.
        ended: AsrEnd was told; a final text that comes later is told as one.
        preview: what was understood so far.
        due: when the preview becomes the final text.
        silent: nobody speaks in this turn; what sound there is goes with a picture.
    """

    item_id: str = ""
    open: bool = False
    ended: bool = False
    preview: str = ""
    due: float = inf
    silent: bool = False

    def start(self) -> Effects:
        """A speech is heard."""
        if self.open or self.ended:
            return []
        self.open = True
        return [Emit(AsrStart())]

    def understand(self, preview: str) -> Effects:
        """So much is understood by now."""
        if not self.open or preview == self.preview:
            return []
        self.preview = preview[:LONGEST_TEXT]
        return [Emit(AsrIncomplete(whole(self.preview, goes_on=True)))]

    def complete(self, text: str) -> Effects:
        """All is understood; also if that comes after the end was told."""
        text = whole(text)
        if self.ended:
            return [Emit(AsrComplete(text))]
        started = self.start()
        self.open, self.ended, self.due = False, True, inf
        return [*started, Emit(AsrComplete(text)), Emit(AsrEnd())]

    def forget(self) -> Effects:
        """Nobody means it any more."""
        told: Effects = [Emit(AsrEnd())] if self.open else []
        self.open = False
        return told

    def end(self) -> Effects:
        """No final text came in time: what was understood is final."""
        return self.complete(self.preview) if self.open else []


@dataclass(slots=True)
class Reply:
    """One response of the model, as it is heard and read.

    Attributes:
        id: of the response; empty where the service does not name it.
        channel: the first kind of text that came; another one would say the same twice.
        text: what it says so far.
        calls: functions that it called and that have not answered: call id -> name.
        called: it called functions, so another response has to follow.
        over: it has ended.
        playing: the loudspeaker has, or will have, some of it.
        inaudible: the loudspeaker failed; the rest is dropped.
        seconds: how much sound came.
    """

    id: str = ""
    channel: str = ""
    text: str = ""
    calls: dict[str, str] = field(default_factory=dict)
    called: bool = False
    over: bool = False
    playing: bool = False
    inaudible: bool = False
    seconds: float = 0.0
    _told_at: float = -inf
    _told: bool = True  # all of the text that there is was told as final
    _tts_open: bool = False
    _tts_ended: bool = False
    _half_sample: bytes = b""

    def speak(self) -> Effects:
        """Its voice begins."""
        if self._tts_open or self._tts_ended:
            return []
        self._tts_open = self.playing = True
        return [Emit(TtsStart()), StartPlayer()]

    def hear(self, audio: bytes, bytes_per_s: int) -> Effects:
        """Sound of it came; a sample that was cut in two is joined."""
        audio = self._half_sample + audio
        whole = len(audio) & ~1
        audio, self._half_sample = audio[:whole], audio[whole:]
        self.seconds += len(audio) / bytes_per_s
        if not audio or self.inaudible or self._tts_ended:
            return []
        return [*self.speak(), Play(audio)]

    def read(self, channel: str, delta: str, now: float) -> Effects:
        """More of its text came."""
        self.channel = self.channel or channel
        if channel != self.channel or not delta:
            return []
        self.text = (self.text + delta)[:LONGEST_TEXT]
        self._told = False
        if now - self._told_at < _TEXT_EVERY_S:
            return []
        self._told_at = now
        return [Emit(LlmIncomplete(whole(self.text, goes_on=True)))]

    def read_whole(self, channel: str, text: str) -> Effects:
        """Its text is whole."""
        if channel != (self.channel or channel):
            return []
        self.channel, self.text = channel, text or self.text
        return self._tell_text()

    def end_voice(self) -> Effects:
        """Its sound has come whole; what there is of it is played out."""
        if not self._tts_open:
            return []
        self._tts_open, self._tts_ended = False, True
        return [Emit(TtsEnd()), *([] if self.inaudible else [FinishPlayer()])]

    def end(self) -> Effects:
        """It is over."""
        self.over = True
        return [*self._tell_text(), *self.end_voice()]

    def cut(self) -> Effects:
        """Nobody wants the rest of it: silence, and the ends of what was begun."""
        ended: Effects = [] if self._told else self._tell_text()
        if self._tts_open:
            self._tts_open, self._tts_ended = False, True
            ended.append(Emit(TtsEnd()))
        self.playing = False
        return [FlushPlayer(), *ended]

    def _tell_text(self) -> Effects:
        if self._told and not (self.text and self._told_at == -inf):
            return []
        self._told, self._told_at = True, inf
        return [Emit(LlmComplete(whole(self.text)))]


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
