"""Whatever happens, in whatever order: the rules that no interleaving may break."""

from math import inf
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from mmid import events
from mmid.errors import Busy, CallerError
from mmid.session.dialects.multimodal_dialog.stages import Stage
from mmid.session.dialects.multimodal_dialog.turn import REQUEST_SPACING_S
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
    StopRecorder,
)
from tests.session.dialects.multimodal_dialog.trace import CONNECTED, Rehearsal, follow, render

# What an honest cloud says in one go, and what no cloud should say.
HONEST = [
    ["Started d-1", "state Listening"],
    ["RequestAccepted", "state Listening"],
    ["state Listening"],
    ["SpeechStarted"],
    ["SpeechContent final hi", "SpeechEnded", "state Thinking"],
    ["state Responding", "RespondingStarted"],
    ["RespondingContent final it is on", "RespondingEnded"],
    ["HeartBeat"],
]
ODD = [
    ["state Listening", "RequestAccepted"],
    ["RequestAccepted"],
    ["SpeechEnded"],
    ["state Thinking"],
    ["state Responding"],
    ["state Idle"],
    ["RespondingStarted"],
    ["RespondingEnded"],
    ["Error 451 NoSpeechRecognized"],
    ["Error 500 LLMTimeoutError"],
    ["VideoStarted"],
    ["raw nonsense"],
]
RARE = [["Stopped"], ["fatal 449 TooManyInterrupt"], ["task-failed ResponseTimeout"]]
CLOUD = st.one_of(st.sampled_from(HONEST), st.sampled_from(HONEST), st.sampled_from(ODD))


class Witness:
    """Watches the effects, knows the rules, and fails the test that breaks one.

    Attributes:
        listens: the cloud said Listening, and nothing was sent since that ends it.
        uploading: between SendSpeech and what ends the speech.
        spoken: what was recorded since the press.
        sent: what of it was sent.
        open: what has begun and not ended: Asr, Tts, the player, the reply at the loudspeaker.
    """

    def __init__(self) -> None:
        self.listens = self.uploading = self.microphone = self.closed = False
        self.spoken, self.sent = b"", b""
        self.open: set[str] = set()
        self.asked_at = -inf
        self.shown: object = None

    def hear(self, line: str) -> None:
        """The cloud says this: it may end the speech by itself."""
        if line.startswith("state "):
            self.listens = line == "state Listening"
            self.uploading = self.uploading and self.listens
        elif line == "SpeechEnded" or line.startswith("Error"):
            self.uploading = False

    def see(self, effect: Effect, now: float) -> None:
        """Check one effect."""
        if isinstance(effect, (Send, SendAudio, Play, StartPlayer)):
            assert not self.closed, "nothing is sent or played after the end"
        match effect:
            case Send():
                self._directive(render([effect]).split()[1], now)
            case SendAudio(data):
                assert self.uploading, "speech is sent after SendSpeech and before StopSpeech only"
                self.sent += data
            case Emit(event):
                self._event(event)
            case StartPlayer() | Play() | FinishPlayer() | FlushPlayer():
                self._player(effect)
            case StopRecorder():
                self.microphone = False
            case Show(state):
                assert state is not self.shown, "a state is shown when it changes"
                self.shown = state
            case Close():
                self.closed = True

    def _directive(self, name: str, now: float) -> None:
        if name in {"SendSpeech", "RequestToRespond"}:
            assert self.listens, f"{name} is sent to a cloud that listens only"
        if name == "RequestToSpeak":
            assert now - self.asked_at >= REQUEST_SPACING_S - 1e-9
            self.asked_at = now
            self.open.discard("heard")
        if name == "StopSpeech":
            assert self.uploading
            assert self.sent == self.spoken, "every sample since the press was sent, once, in order"
        if name == "LocalRespondingStarted":
            assert "heard" not in self.open, "the loudspeaker's start is reported once a reply"
            self.open.add("heard")
        if name == "LocalRespondingEnded":
            assert "heard" in self.open, "an end is reported after its start"
            assert "Tts" not in self.open, "an end is reported after the whole reply arrived"
            self.open.discard("heard")
        self.uploading = name == "SendSpeech" or (
            self.uploading and name not in {"StopSpeech", "CancelSpeech", "Stop"}
        )
        if name != "HeartBeat":
            self.listens = name == "SendSpeech"
        if name == "SendSpeech":
            self.sent = b""

    def _player(self, effect: Effect) -> None:
        if isinstance(effect, StartPlayer):
            self.open.add("player")
        elif isinstance(effect, Play):
            assert "player" in self.open, "samples are played inside a reply only"
        else:
            self.open.discard("player")

    def _event(self, event: events.Event) -> None:
        name = type(event).__name__
        kind = name[:3]
        if name in {"AsrStart", "TtsStart"}:
            assert kind not in self.open, f"two {name} without an end"
            self.open.add(kind)
        if name == "TtsStart":
            self.open.discard("heard")
        if name in {"AsrEnd", "TtsEnd"}:
            assert kind in self.open, f"{name} without a start"
            self.open.discard(kind)


class AnyInterleaving(RuleBasedStateMachine):
    """A cloud, people, a board and time that do whatever they like."""

    def __init__(self) -> None:
        super().__init__()
        self.rehearsal = Rehearsal(follow("open | > Start").dialect)
        self.witness = Witness()
        self.chunks = iter(range(10_000))

    @rule(lines=CLOUD)
    def the_cloud_speaks(self, lines: list[str]) -> None:
        for line in lines:
            self.witness.hear(line)
            self.do(f"< {line}")

    @rule(size=st.sampled_from([0, 1, 640, 8000]))
    def the_cloud_sends_audio(self, size: int) -> None:
        self.do(f"<< {size}")

    @rule(line=st.sampled_from(RARE), sure=st.integers(0, 9))
    def the_cloud_gives_up(self, line: list[str], sure: int) -> None:
        if sure == 9:
            self.the_cloud_speaks(line)

    @precondition(lambda self: not self.witness.microphone)
    @rule()
    def somebody_presses(self) -> None:
        try:
            self.rehearsal.dialect.check_speech()
        except CallerError:
            return
        self.witness.microphone, self.witness.spoken = True, b""
        self.do("press")

    @precondition(lambda self: self.witness.microphone)
    @rule()
    def the_microphone_records(self) -> None:
        chunk = next(self.chunks).to_bytes(2, "big")
        self.witness.spoken += chunk
        self.see(self.rehearsal.dialect.record(chunk, self.rehearsal.now))

    @precondition(lambda self: self.witness.microphone)
    @rule(how=st.sampled_from(["release", "release", "cancel", "mic fails"]))
    def the_speech_ends(self, how: str) -> None:
        self.witness.microphone = False
        self.do(how)

    @rule(what=st.sampled_from(["interrupt", "ask what", "say hello"]))
    def somebody_wants_something(self, what: str) -> None:
        self.do(what)

    @rule(what=st.sampled_from(["starts", "starts", "drained", "drained", "fails"]))
    def the_loudspeaker_reports(self, what: str) -> None:
        self.do(f"speaker {what}")

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.3, 0.6, 5.0, 20.0, 70.0]))
    def time_goes_by(self, seconds: float) -> None:
        for effects in self.rehearsal.let_pass(seconds):
            self.see(effects)

    @rule(how=st.sampled_from(["leave", "drop"]), sure=st.integers(0, 9))
    def it_ends(self, how: str, sure: int) -> None:
        if sure == 9:
            self.do(how)

    def do(self, line: str) -> None:
        """Do one line, and have the witness look at what came of it."""
        self.see(self.rehearsal.do(line))

    def see(self, effects: list[Effect]) -> None:
        for effect in effects:
            self.witness.see(effect, self.rehearsal.now)
        dialect = self.rehearsal.dialect
        if dialect.stage is Stage.CLOSED:
            assert not self.witness.open & {"Asr", "Tts", "player"}
            assert not self.witness.microphone
        elif self.witness.microphone:
            with pytest.raises(Busy):
                dialect.check_speech()

    def teardown(self) -> None:
        """Left alone with a cloud that answers heartbeats only, the dialog comes to rest."""
        for _ in range(12):
            self.time_goes_by(30.0)
            self.do("< HeartBeat")
        assert self.rehearsal.dialect.stage in {Stage.LISTENING, Stage.CLOSED}


class FromListening(AnyInterleaving):
    """The same, from a dialog that is connected: so that more of it is about turns."""

    def __init__(self) -> None:
        super().__init__()
        self.rehearsal = follow(CONNECTED)
        self.witness.listens = True


# The same examples every time: a test run is no lottery. For a search, raise
# max_examples and take derandomize away.
_SETTINGS: dict[str, Any] = {
    "max_examples": 40,
    "stateful_step_count": 40,
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings(**_SETTINGS)
TestFromListening = FromListening.TestCase
TestFromListening.settings = settings(**_SETTINGS)
