"""Whatever happens, in whatever order, in every work mode: the rules that nothing may break."""

import json
from collections.abc import Iterator
from itertools import count
from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mmid.errors import CallerError
from mmid.session.dialects.baidu_rtc.stages import STAGES
from mmid.session.dialects.stages import TurnStage
from mmid.session.effects import Effect, Moved, SpeechDropped
from tests.session.dialects.baidu_rtc.connection import (
    BEGIN,
    COMING,
    END,
    GONE,
    MODES,
    MUST,
    PASS,
    READY,
    connection,
)
from tests.session.dialects.baidu_rtc.witness import Witness
from tests.simcloud.qwen_realtime.test_protocol import JPEG


def call(session_id: str) -> str:
    content = json.dumps({"function_name": "lamp", "parameter_list": [{"on": True}]})
    return "[F]:" + json.dumps({"session_id": session_id, "content": content})


# What an honest service says in one go, and what no service should say.
HONEST = [
    [COMING],
    [COMING, "[Q]:[M]:what"],
    [GONE],
    ["[Q]:what is it"],
    ["[Q]:what is it", "[Q]:[C]:what is it"],
    ["[Q]:[C]: now"],
    ["[A]:[M]:it is", BEGIN],
    [BEGIN, "sound", "[A]:[M]:it is"],
    ["sound", BEGIN, "sound"],
    ["[A]:it is noon", END],
    [END, "[A]:it is noon"],
    [END],
    [call("call_1")],
    ["[E]:[UPLOAD_IMAGE]"],
]
ODD = [
    [MUST],
    [PASS],
    [READY],
    ["[Q]:"],
    ["[Q]:[M]:[C]:and"],
    ["[A]:[H]:hm"],
    [BEGIN, BEGIN],
    ["sound"],
    ["sound", "stray", "odd"],
    [call("call_1"), call("call_2"), call("call_1")],
    ["[F]:nonsense"],
    ["[E]:[X]:[ERROR]:busy"],
    ["[E]:[NEVER_HEARD_OF]", "nonsense", ""],
    ["[E]:[INT_WORD_HIT]:stop"],
    ["[E]:[CONID]:7"],
    ["[E]:[CMD]:[REMOTE_PLAYER]:[STOP]"],
]
CLOUD = st.one_of(st.sampled_from(HONEST), st.sampled_from(HONEST), st.sampled_from(ODD))
BINARIES = {"sound": b"\3\0" * 160, "stray": b"\xa5" * 8, "odd": b"\3\0" * 100 + b"\3"}
WAY_IN = st.sampled_from([[MUST, READY, PASS], [READY, MUST, PASS], [READY], [MUST, PASS], []])


class AnyInterleaving(RuleBasedStateMachine):
    """A service, people, a board and time that do whatever they like."""

    @initialize(mode=st.sampled_from(MODES), way_in=WAY_IN)
    def a_connection_is_open(self, mode: str, way_in: list[str]) -> None:
        self.dialect = connection(mode)
        self.witness = Witness(mode)
        self.now = 0.0
        self.stage, self.since = TurnStage.STARTING, 0.0
        self.chunks = count(1)
        self.the_service_speaks(way_in)

    @rule(lines=CLOUD)
    def the_service_speaks(self, lines: list[str]) -> None:
        for line in lines:
            self.since = self.now  # what is said of a reply renews its deadline
            if line == PASS:
                self.witness.unlicensed = False
            if line in BINARIES:
                self.see(self.dialect.receive_binary(BINARIES[line], self.now))
            else:
                self.see(self.dialect.receive_text(line, self.now))

    @precondition(lambda self: not self.witness.microphone)
    @rule()
    def somebody_presses(self) -> None:
        try:
            self.dialect.check_speech()
        except CallerError:
            return
        self.witness.press()
        self.see(self.dialect.start_speech(self.now))

    @precondition(lambda self: self.witness.microphone)
    @rule(times=st.sampled_from([1, 5]))
    def the_microphone_records(self, times: int) -> None:
        for _ in range(times):
            chunk = next(self.chunks).to_bytes(2, "big") * 1600
            if self.witness.presses:
                self.witness.presses[-1] += chunk
            self.see(self.dialect.record(chunk, self.now))

    @precondition(lambda self: self.witness.microphone and self.witness.mode != "duplex")
    @rule(how=st.sampled_from(["stop_speech", "stop_speech", "cancel_speech"]))
    def the_speech_ends(self, how: str) -> None:
        self.witness.microphone = False
        self.see(getattr(self.dialect, how)(self.now))

    @precondition(lambda self: self.witness.microphone)
    @rule(sure=st.integers(0, 2))
    def the_microphone_fails(self, sure: int) -> None:
        if sure == 2:
            self.witness.microphone = False
            self.see(self.dialect.recorder_failed(self.now))

    @rule(what=st.sampled_from(["interrupt", "ask", "say", "show", "frame", "answer"]))
    def somebody_wants_something(self, what: str) -> None:
        dialect, now = self.dialect, self.now
        calls = list(dialect.machine.calls) or ["call_x"]
        commands = {
            "interrupt": lambda: dialect.interrupt(now),
            "ask": lambda: dialect.ask("[B]\nwhat", now),
            "say": lambda: dialect.say("hello", now),
            "show": lambda: dialect.ask("", now, images=[JPEG]),
            "frame": lambda: dialect.update_info(now, images=[JPEG]),
            "answer": lambda: dialect.tool_result(calls[0], "{}", now),
        }
        try:
            effects = commands[what]()
        except CallerError:
            return
        self.since = self.now  # the service is given its time anew
        self.see(effects)

    @rule(what=st.sampled_from(["started", "started", "finished", "finished", "failed"]))
    def the_loudspeaker_reports(self, what: str) -> None:
        if what == "failed":
            self.witness.open.discard("player")
        self.see(getattr(self.dialect, f"playback_{what}")(self.now))

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.6, 2.0, 5.0, 20.0, 70.0]))
    def time_goes_by(self, seconds: float) -> None:
        for effects in self.let_pass(seconds):
            self.see(effects)
        self.check()

    @rule(how=st.sampled_from(["end", "drop", "failed"]), sure=st.integers(0, 9))
    def it_ends(self, how: str, sure: int) -> None:
        if sure == 9:
            ways = {
                "end": lambda: self.dialect.end(self.now),
                "drop": lambda: self.dialect.closed(None, "", self.now),
                "failed": lambda: self.dialect.receive_text("[E]:[LIC]:[RES]:[FAILED]:", self.now),
            }
            self.see(ways[how]())

    def let_pass(self, seconds: float) -> Iterator[list[Effect]]:
        end = self.now + seconds
        while self.dialect.deadline <= end:
            self.now = max(self.now, self.dialect.deadline)
            yield self.dialect.tick(self.now)
            assert self.dialect.deadline > self.now, "a tick left its own deadline in the past"
        self.now = end

    def see(self, effects: list[Effect]) -> None:
        self.witness.now = self.now
        for effect in effects:
            if isinstance(effect, Moved) and effect.cause != "begin":
                assert effect.stage != self.stage, "a move is to another stage"
                self.stage, self.since = TurnStage(effect.stage), self.now
            if isinstance(effect, SpeechDropped):
                self.witness.dropped = True
            self.witness.see(effect)
        self.check()

    def check(self) -> None:
        """Check what must be true at every moment."""
        dialect = self.dialect
        assert dialect.machine.stage is self.stage, "every move is told"
        if self.stage is TurnStage.CLOSED:
            self.witness.closed = True
            assert dialect.deadline == inf
            assert not self.witness.open & {"Asr", "Tts", "player"}
            assert not self.witness.microphone
            return
        longest_s = STAGES[self.stage].deadline_s
        if longest_s:
            assert self.now - self.since <= longest_s + 1e-9
        if self.witness.microphone and self.witness.mode != "duplex":
            assert self.stage is TurnStage.TALKING, "the microphone is released when nobody talks"

    def teardown(self) -> None:
        """Left alone, the dialog comes to rest."""
        if self.witness.microphone and self.witness.mode != "duplex":
            self.the_speech_ends("stop_speech")
        for seconds in (*[5.0] * 40, *[20.0] * 70):
            self.time_goes_by(seconds)
        assert self.stage in {TurnStage.LISTENING, TurnStage.CLOSED}


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings()  # of the profile that is loaded now
