"""Watches the effects of a dialect that always takes speech; fails the test that breaks a rule."""

from mmid import events
from mmid.session.effects import (
    Close,
    Effect,
    Emit,
    FinishPlayer,
    FlushPlayer,
    Play,
    Send,
    SendAudio,
    Show,
    StartPlayer,
    StartRecorder,
    StopRecorder,
)


class TurnWitness:
    """What a rule needs to know of the past.

    Attributes:
        mode: the work mode.
        ready: the cloud takes speech.
        microphone: it is open.
        spoken: what was recorded since the press.
        sent: what of it was sent.
        open: what has begun and not ended: Asr, Tts, the player.
    """

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.ready = self.microphone = self.closed = False
        self.spoken = self.sent = b""
        self.open: set[str] = set()
        self.shown: object = None
        self.llm_open = self.prepared = False

    def see(self, effect: Effect) -> None:
        """Check one effect."""
        if isinstance(effect, (Send, SendAudio, Play, StartPlayer, StartRecorder)):
            assert not self.closed, "nothing is sent, played or recorded after the end"
        match effect:
            case Send(text):
                self.text(text)
            case SendAudio(data):
                self._audio(data)
            case Emit(event):
                self._event(event)
            case StartPlayer() | Play() | FinishPlayer() | FlushPlayer():
                self._player(effect)
            case StartRecorder():
                assert self.mode == "duplex", "a press opens the microphone: the gateway did it"
                assert not self.microphone, "there is one microphone"
                self.microphone = True
            case StopRecorder():
                self.microphone = False
            case Show(state):
                assert state is not self.shown, "a state is shown when it changes"
                self.shown = state
            case Close():
                assert "Tts" not in self.open, "every start has its end"
                assert "Asr" not in self.open, "every start has its end"
                self.closed = True

    def _audio(self, data: bytes) -> None:
        assert self.ready, "no audio before the cloud takes it"
        if self.mode != "duplex" and any(data):
            assert "player" not in self.open, "the cloud hears no reply in a press"
        self.sent += data

    def text(self, text: str) -> None:
        """Check a text that is sent."""

    def _player(self, effect: Effect) -> None:
        if isinstance(effect, StartPlayer):
            assert "player" not in self.open, "a reply ends before the next begins"
            assert self.mode == "duplex" or not self.microphone, "no reply beside a press"
            self.open.add("player")
        elif isinstance(effect, Play):
            assert "player" in self.open, "samples are played inside a reply only"
            assert len(effect.data) % 2 == 0, "samples are whole"
        else:
            self.open.discard("player")

    def _event(self, event: events.Event) -> None:
        name = type(event).__name__
        kind = name[:3]
        if name == "SpeechReady":
            self.ready = True
        if name in {"AsrStart", "TtsStart"}:
            assert kind not in self.open, f"two {name} without an end"
            self.open.add(kind)
        if name in {"AsrEnd", "TtsEnd"}:
            assert kind in self.open, f"{name} without a start"
            self.open.discard(kind)
        if name == "TtsStart":
            assert "Asr" not in self.open, "what was understood is told before the reply"
        if name == "SpeechPrepare":
            assert not self.open & {"Asr", "Tts"}, "a turn is over before the next"
        if name == "LlmIncomplete":
            self.llm_open = True
        if name == "LlmComplete":
            self.llm_open = False
        if name in {"SpeechStart", "SpeechRestart", "SpeechPrepare"}:
            assert not self.llm_open, "a text that was begun is told whole"
