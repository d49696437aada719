"""Watches the effects of the Baidu dialect, and fails the test that breaks a rule."""

from collections import deque

from mmid.session.effects import Authorized, Effect, SendAudio
from tests.session.dialects.turn_witness import TurnWitness

ACTIVE = "[E]:[LIC]:[ACTIVE]:"
START, STOP = "[E]:[CMD]:[ASR_START_LONGTEXT_REC]", "[E]:[CMD]:[ASR_STOP_LONGTEXT_REC]"


class Witness(TurnWitness):
    """What a rule needs to know of the past.

    Attributes:
        now: what time it is.
        texts: every text that was sent.
        unlicensed: the license was shown, and is being looked at.
        framed: a speech is begun and not ended.
        dropped: some of the speech waited too long.
    """

    def __init__(self, mode: str) -> None:
        super().__init__(mode)
        self.now = 0.0
        self.texts: list[str] = []
        self.unlicensed = self.framed = self.dropped = False
        self._times: deque[float] = deque(maxlen=10)

    def text(self, text: str) -> None:
        assert text.isprintable() or "\u200d" in text, "a message is one line"
        self._times.append(self.now)
        late = len(self._times) < 10 or self.now - self._times[0] >= 1.0
        assert late, "fewer than ten messages a second"
        self.texts.append(text)
        if text.startswith(ACTIVE):
            assert sum(sent.startswith(ACTIVE) for sent in self.texts) == 1, "shown once"
            self.unlicensed = True
            return
        assert not self.unlicensed, "nothing is sent while the license is looked at"
        if text == START:
            assert self.mode == "push2talk"
            assert not self.framed, "a speech is ended before the next"
            self.framed, self.sent = True, b""
        if text == STOP:
            assert self.framed, "what ends was begun"
            assert self.dropped or self.spoken.endswith(self.sent), "every sample, in order"
            self.framed = False

    def see(self, effect: Effect) -> None:
        if isinstance(effect, Authorized):
            self.unlicensed = False
        if isinstance(effect, SendAudio):
            assert not self.unlicensed, "no audio while the license is looked at"
            assert self.framed or self.mode != "push2talk", "speech is framed"
        super().see(effect)
