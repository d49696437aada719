"""Watches the effects of a dialect, knows the rules, and fails the test that breaks one."""

from collections import deque
from math import inf

from mmid import events
from mmid.session.dialects.multimodal_dialog.turn import REQUEST_SPACING_S
from mmid.session.dialects.multimodal_dialog.upload import SILENCE_EVERY_S
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
from tests.session.dialects.multimodal_dialog.trace import render

# What mmid-simcloud calls a storm of requests: so many in two seconds.
_STORM, _STORM_S = 6, 2.0


class Witness:
    """What a rule needs to know of the past.

    Attributes:
        mode: the work mode.
        ready: the cloud said Listening at least once.
        listens: the cloud said Listening, and nothing was sent since that ends it.
        uploading: between what begins a speech and what ends it.
        microphone: it is open.
        stopped: StopRecorder came at least once.
        cancelled: CancelSpeech was sent, and no speech began since.
        spoken: what was recorded since the press.
        sent: what of it was sent.
        open: what has begun and not ended: Asr, Tts, the player, the reply at the loudspeaker.
    """

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.ready = self.listens = self.uploading = self.microphone = self.closed = False
        self.stopped = self.cancelled = False
        self.spoken, self.sent = b"", b""
        self.open: set[str] = set()
        self.asked_at = -inf
        self.audio_at = inf
        self.shown: object = None
        self._requests: deque[float] = deque([-inf] * _STORM, maxlen=_STORM)

    @property
    def streams(self) -> bool:
        """Whether the microphone is always open."""
        return self.mode == "duplex"

    def hear(self, line: str, now: float) -> None:
        """The cloud says this: it may end the speech by itself."""
        if line.startswith("state "):
            self.listens = line == "state Listening"
            self.uploading = self.uploading and self.listens
            if self.listens and self.streams:
                self.open.discard("heard")  # a voice interrupts
            if self.listens and not self.ready:
                self.ready, self.audio_at = True, now
        elif line == "SpeechEnded" or line.startswith("Error"):
            self.uploading = False

    def see(self, effect: Effect, now: float) -> None:
        """Check one effect."""
        if isinstance(effect, (Send, SendAudio, Play, StartPlayer, StartRecorder)):
            assert not self.closed, "nothing is sent, played or recorded after the end"
        match effect:
            case Send():
                self._directive(render([effect]).split()[1], now)
            case SendAudio(data):
                self._audio(data, now)
            case Emit(event):
                self._event(event)
            case StartPlayer() | Play() | FinishPlayer() | FlushPlayer():
                self._player(effect)
            case StartRecorder():
                assert self.streams, "a press opens the microphone, and the gateway did it"
                assert not self.microphone, "there is one microphone"
                self.microphone = True
            case StopRecorder():
                self.microphone, self.stopped = False, True
            case Show(state):
                assert state is not self.shown, "a state is shown when it changes"
                self.shown = state
            case Close():
                self.closed = True

    def check_upload(self, now: float) -> None:
        """Check the rule of the 20 s: audio, or silence, whenever the cloud wants some."""
        if self.mode != "push2talk" and self.ready and not self.closed:
            assert now - self.audio_at <= SILENCE_EVERY_S + 1e-9

    def _audio(self, data: bytes, now: float) -> None:
        assert self.ready, "no audio before Listening"
        self.audio_at = now
        silence = len(data) > 2 and not any(data)
        if self.mode == "push2talk":
            assert self.uploading, "speech is sent after SendSpeech and before StopSpeech only"
        if silence:
            if len(data) > 3200:
                assert self.sent == self.spoken, "every sample was sent before the silence after it"
            return
        assert self.streams or self.uploading, "speech is sent in a speech only"
        assert self.streams or "player" not in self.open, "the cloud hears no reply in a press"
        self.sent += data

    def _directive(self, name: str, now: float) -> None:
        if name in {"SendSpeech", "StopSpeech"}:
            assert self.mode == "push2talk"
        if name in {"SendSpeech", "RequestToRespond"}:
            assert self.listens, f"{name} is sent to a cloud that listens only"
        if name in {"RequestToSpeak", "RequestToRespond"}:
            self._request(name, now)
        if name.startswith("LocalResponding"):
            self._playback(name)
        if name == "StopSpeech":
            assert self.uploading
            assert self.sent == self.spoken, "every sample since the press was sent, once, in order"
        self.cancelled = self.cancelled or name == "CancelSpeech"
        if name in {"StopSpeech", "CancelSpeech", "Stop"}:
            self.uploading = False
        if name not in {"HeartBeat", "UpdateInfo", "SendSpeech"}:
            self.listens = False

    def _request(self, name: str, now: float) -> None:
        self._requests.append(now)
        assert now - self._requests[0] >= _STORM_S, "requests come in no storm"
        if name == "RequestToSpeak":
            assert now - self.asked_at >= REQUEST_SPACING_S - 1e-9
            self.asked_at = now
            self.open.discard("heard")

    def _playback(self, name: str) -> None:
        if name == "LocalRespondingStarted":
            assert "heard" not in self.open, "the loudspeaker's start is reported once a reply"
            self.open.add("heard")
        else:
            assert "heard" in self.open, "an end is reported after its start"
            assert "Tts" not in self.open, "an end is reported after the whole reply arrived"
            self.open.discard("heard")

    def _player(self, effect: Effect) -> None:
        if isinstance(effect, StartPlayer):
            assert "player" not in self.open, "a reply ends before the next begins"
            assert self.streams or not self.microphone, "no reply beside a press"
            self.open.add("player")
        elif isinstance(effect, Play):
            assert "player" in self.open, "samples are played inside a reply only"
        else:
            self.open.discard("player")

    def _event(self, event: events.Event) -> None:
        name = type(event).__name__
        kind = name[:3]
        if name in {"SpeechStart", "SpeechRestart"}:
            assert self.listens, "a speech begins when the cloud listens"
            self.uploading, self.sent, self.cancelled = True, b"", False
        if kind == "Asr" and name != "AsrEnd":
            assert not self.cancelled, "nothing more is heard of a speech that was cancelled"
        if name in {"AsrStart", "TtsStart"}:
            assert kind not in self.open, f"two {name} without an end"
            self.open.add(kind)
        if name == "TtsStart":
            self.open.discard("heard")
        if name in {"AsrEnd", "TtsEnd"}:
            assert kind in self.open, f"{name} without a start"
            self.open.discard(kind)
