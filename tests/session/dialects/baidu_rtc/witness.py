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
        presses: what was said in each press whose end has not left yet, the oldest first.
    """

    def __init__(self, mode: str) -> None:
        super().__init__(mode)
        self.now = 0.0
        self.texts: list[str] = []
        self.unlicensed = self.framed = self.dropped = False
        self.presses: deque[bytearray] = deque()
        self._times: deque[float] = deque(maxlen=10)

    def press(self) -> None:
        """Somebody begins to talk; the cloud hears of it when what waits before has left."""
        self.microphone = True
        self.presses.append(bytearray())

    def text(self, text: str) -> None:
        assert text.isprintable() or "\u200d" in text, "a message is one line"
        self._times.append(self.now)
        late = len(self._times) < 10 or self.now - self._times[0] >= 1.0
        self.texts.append(text)
        if text.startswith(ACTIVE):  # at once, whatever was sent before
            assert sum(sent.startswith(ACTIVE) for sent in self.texts) == 1, "shown once"
            self.unlicensed = True
            return
        assert late, "fewer than ten messages a second"
        assert not self.unlicensed, "nothing is sent while the license is looked at"
        if text == START:
            assert self.mode == "push2talk"
            assert not self.framed, "a speech is ended before the next"
            self.framed, self.sent = True, b""
        if text == STOP:
            assert self.framed, "what ends was begun"
            spoken = self.presses.popleft()
            assert self.dropped or spoken.endswith(self.sent), "every sample, in order"
            self.framed = False

    def see(self, effect: Effect) -> None:
        if isinstance(effect, Authorized):
            self.unlicensed = False
        if isinstance(effect, SendAudio):
            assert not self.unlicensed, "no audio while the license is looked at"
            assert self.framed or self.mode != "push2talk", "speech is framed"
        super().see(effect)

    def _audio(self, data: bytes) -> None:
        if self.microphone and len(self.presses) < 2:
            super()._audio(data)
        else:  # it waited: a reply may have begun since it was said
            self.sent += data
