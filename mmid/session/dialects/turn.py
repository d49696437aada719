"""What is remembered of the turn under way, so that every start has its end.

For the clouds whose stages are ``TurnStage``: what each adds is in its own folder.
"""

from dataclasses import dataclass
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
from mmid.json_text import whole
from mmid.session.effects import Effects, Emit, FinishPlayer, FlushPlayer, Play, StartPlayer

# A reply that is read aloud for an hour; of a longer text no more is kept.
LONGEST_TEXT = 65536

# A text that grows is told so often at most.
_TEXT_EVERY_S = 0.1


@dataclass(slots=True)
class Recognition:
    """What the cloud understands of a speech.

    Attributes:
        open: AsrStart was told, AsrEnd was not.
        ended: AsrEnd was told; a final text that comes later is told as one.
        preview: what was understood so far.
    """

    open: bool = False
    ended: bool = False
    preview: str = ""

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
        self.open, self.ended = False, True
        return [*started, Emit(AsrComplete(text)), Emit(AsrEnd())]

    def forget(self) -> Effects:
        """Nobody means it any more, or no more of it will come."""
        told: Effects = [Emit(AsrEnd())] if self.open else []
        self.open = False
        return told

    def end(self) -> Effects:
        """No final text came in time."""
        return self.forget()


@dataclass(slots=True)
class Reply:
    """One reply, as it is heard and read.

    Attributes:
        packets: its sound comes in packets of a codec, each whole; else in samples of two
            bytes that may be cut anywhere.
        text: what it says so far.
        over: it has ended, or nobody wants it.
        playing: the loudspeaker has, or will have, some of it.
        inaudible: the loudspeaker failed; the rest is dropped.
    """

    packets: bool = False
    text: str = ""
    over: bool = False
    playing: bool = False
    inaudible: bool = False
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

    def hear(self, audio: bytes) -> Effects:
        """Sound of it came; a sample that was cut in two is joined."""
        if not self.packets:
            audio = self._half_sample + audio
            even = len(audio) & ~1
            audio, self._half_sample = audio[:even], audio[even:]
        if not audio or self.inaudible or self._tts_ended:
            return []
        return [*self.speak(), Play(audio)]

    def read(self, text: str, now: float) -> Effects:
        """So much of its text is there by now."""
        self.text = text[:LONGEST_TEXT]
        self._told = False
        if now - self._told_at < _TEXT_EVERY_S:
            return []
        self._told_at = now
        return [Emit(LlmIncomplete(whole(self.text, goes_on=True)))]

    def read_whole(self, text: str) -> Effects:
        """Its text is whole; empty: as it was."""
        self.text = text[:LONGEST_TEXT] or self.text
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
        """Tell the whole text, once."""
        if self._told and not (self.text and self._told_at == -inf):
            return []
        self._told, self._told_at = True, inf
        return [Emit(LlmComplete(whole(self.text)))]
