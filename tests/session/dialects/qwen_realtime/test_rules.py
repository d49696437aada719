"""Whatever happens, in whatever order, in every work mode: the rules that nothing may break."""

import json
from base64 import b64encode
from collections.abc import Iterator
from itertools import count
from math import inf
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mmid.errors import CallerError
from mmid.session.dialects.qwen_realtime.stages import STAGES
from mmid.session.dialects.stages import TurnStage
from mmid.session.effects import Effect, FlushPlayer, Moved, Play, Send
from tests.session.dialects.qwen_realtime.pair import MODES, realtime
from tests.session.dialects.qwen_realtime.witness import Witness
from tests.simcloud.qwen_realtime.test_protocol import JPEG

_TRANSCRIPTION = "conversation.item.input_audio_transcription"

# What an honest service says in one go, and what no service should say: a name of an event
# each, ``R`` for one of a response; ``made`` writes them.
HONEST = [
    ["session.created", "session.updated"],
    ["input_audio_buffer.speech_started"],
    ["input_audio_buffer.speech_stopped", "input_audio_buffer.committed"],
    ["input_audio_buffer.committed"],
    [f"{_TRANSCRIPTION}.delta"],
    [f"{_TRANSCRIPTION}.completed"],
    ["response.created"],
    ["response.created", "response.content_part.added"],
    ["response.audio_transcript.delta", "response.audio.delta"],
    ["response.audio_transcript.done", "response.audio.done", "response.done"],
    ["response.function_call_arguments.done", "response.done"],
    ["response.done"],
]
ODD = [
    ["session.updated"],
    ["input_audio_buffer.speech_stopped"],
    ["response.audio.delta"],
    ["response.text.delta"],
    ["response.text.done"],
    ["response.output_text.delta"],
    ["response.function_call_arguments.done"],
    ["response.output_item.done"],
    ["turn_detected"],
    [f"{_TRANSCRIPTION}.failed"],
    ["never.heard.of"],
    ["nonsense"],
    ["error none active response"],
    ["error already has an active response"],
    ["error Error committing input audio buffer: buffer too small"],
    ["error Internal service error: null"],
    ["error no such parameter"],
]
CLOUD = st.one_of(st.sampled_from(HONEST), st.sampled_from(HONEST), st.sampled_from(ODD))
PRESSED_STAGES = {TurnStage.TALKING}


class AnyInterleaving(RuleBasedStateMachine):
    """A service, people, a board and time that do whatever they like."""

    @initialize(mode=st.sampled_from(MODES), connected=st.booleans())
    def a_connection_is_open(self, mode: str, connected: bool) -> None:
        self.dialect = realtime(mode)
        self.witness = Witness(mode)
        self.now = 0.0
        self.stage, self.since = TurnStage.STARTING, 0.0
        self.responses, self.chunks = count(1), count(1)
        self.response_id, self.number, self.silenced = "", 0, 0
        self.see(self.dialect.begin(0.0))
        if connected:
            self.the_service_speaks(HONEST[0], 0)

    @rule(lines=CLOUD, which=st.integers(0, 9))
    def the_service_speaks(self, lines: list[str], which: int) -> None:
        for line in lines:
            self.since = self.now  # what is said of a reply renews its deadline
            self.see(self.dialect.receive_text(self.made(line, which), self.now))

    def made(self, line: str, which: int) -> str:
        """Write an event; one in ten of a response is of one long gone, one names none."""
        if line == "nonsense":
            return line
        kind, _, message = line.partition(" ")
        if kind == "error":
            blame = "server_error" if "Internal" in message else "invalid_request_error"
            return json.dumps({"type": kind, "error": {"type": blame, "message": message}})
        if kind == "response.created":
            self.number = next(self.responses)
            self.response_id = f"resp_{self.number}"
        named = {0: "resp_0", 1: ""}.get(which, self.response_id)
        content: dict[str, Any] = {
            "type": kind,
            "response_id": named,
            "item_id": "item_1",
            "response": {"id": named, "status": "completed"},
            "session": {"id": "sess_1"},
            "part": {"type": "audio"},
            "text": "what ",
            "stash": "is",
            "transcript": "what is",
            "delta": "so ",
            "call_id": f"call_{which}",
            "name": "lamp",
            "arguments": "{}",
        }
        if kind == "response.audio.delta":
            number = 0 if named == "resp_0" else self.number
            content["delta"] = b64encode(number.to_bytes(2, "big") * which).decode()
        return json.dumps(content)

    @rule(size=st.sampled_from([0, 1, 640]), sure=st.integers(0, 5))
    def the_service_sends_what_it_may_not(self, size: int, sure: int) -> None:
        if sure == 5:
            self.see(self.dialect.receive_binary(bytes(size), self.now))

    @precondition(lambda self: not self.witness.microphone)
    @rule()
    def somebody_presses(self) -> None:
        try:
            self.dialect.check_speech()
        except CallerError:
            return
        self.witness.microphone, self.witness.spoken = True, b""
        self.see(self.dialect.start_speech(self.now))

    @precondition(lambda self: self.witness.microphone)
    @rule(times=st.sampled_from([1, 5]))
    def the_microphone_records(self, times: int) -> None:
        for _ in range(times):
            chunk = next(self.chunks).to_bytes(2, "big") * 640
            self.witness.spoken += chunk
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

    @rule(what=st.sampled_from(["interrupt", "ask", "say", "show", "frame", "change", "answer"]))
    def somebody_wants_something(self, what: str) -> None:
        dialect, now = self.dialect, self.now
        calls = list(dialect.machine.reply.calls) or ["call_x"]
        commands = {
            "interrupt": lambda: dialect.interrupt(now),
            "ask": lambda: dialect.ask("what", now),
            "say": lambda: dialect.say("hello", now),
            "show": lambda: dialect.ask("", now, images=[JPEG]),
            "frame": lambda: dialect.update_info(now, images=[JPEG]),
            "change": lambda: dialect.update_info(now, biz_params={"seed": 1}),
            "answer": lambda: dialect.tool_result(calls[0], "{}", now),
        }
        try:
            effects = commands[what]()
        except CallerError:
            return
        self.see(effects)

    @rule(what=st.sampled_from(["started", "started", "finished", "finished", "failed"]))
    def the_loudspeaker_reports(self, what: str) -> None:
        if what == "failed":
            self.witness.open.discard("player")
        self.see(getattr(self.dialect, f"playback_{what}")(self.now))

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.6, 5.0, 20.0, 70.0, 400.0]))
    def time_goes_by(self, seconds: float) -> None:
        for effects in self.let_pass(seconds):
            self.see(effects)
        self.check()

    @rule(how=st.sampled_from(["end", "drop", "idle"]), sure=st.integers(0, 9))
    def it_ends(self, how: str, sure: int) -> None:
        if sure == 9:
            reason = "no response was generated for 300 seconds" if how == "idle" else ""
            ended = (
                self.dialect.end(self.now)
                if how == "end"
                else self.dialect.closed(1007 if reason else None, reason, self.now)
            )
            self.see(ended)

    def let_pass(self, seconds: float) -> Iterator[list[Effect]]:
        end = self.now + seconds
        while self.dialect.deadline <= end:
            self.now = max(self.now, self.dialect.deadline)
            yield self.dialect.tick(self.now)
            assert self.dialect.deadline > self.now, "a tick left its own deadline in the past"
        self.now = end

    def see(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Moved) and effect.cause != "begin":
                assert effect.stage != self.stage, "a move is to another stage"
                self.stage, self.since = TurnStage(effect.stage), self.now
            if isinstance(effect, FlushPlayer):
                self.silenced = self.number
            if isinstance(effect, Send) and '"seed"' in effect.text:
                assert self.stage is TurnStage.LISTENING, "the session changes between turns"
            if isinstance(effect, Play):
                number = int.from_bytes(effect.data[:2], "big")
                assert number > self.silenced, "what was silenced is not heard any more"
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
            assert self.stage in PRESSED_STAGES, "the microphone is released when nobody talks"

    def teardown(self) -> None:
        """Left alone, the dialog comes to rest."""
        if self.witness.microphone and self.witness.mode != "duplex":
            self.the_speech_ends("stop_speech")
        for seconds in (*[5.0] * 40, *[20.0] * 70):
            self.time_goes_by(seconds)
        assert self.stage in {TurnStage.LISTENING, TurnStage.CLOSED}


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings()  # of the profile that is loaded now
