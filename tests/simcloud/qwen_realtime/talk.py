"""A client's end of the realtime protocol: sends events, reads a trace of what came of them."""

import base64
import json
import math
from array import array
from dataclasses import fields
from itertools import count
from typing import Any

from mmid.simcloud.core.actions import (
    Action,
    CloseSocket,
    Heard,
    JournalLine,
    ReplyEnd,
    SendReplyAudio,
    SendText,
)
from mmid.simcloud.core.scenario import Fault, Scenario, ScenarioRun, ScriptedTurn
from mmid.simcloud.qwen_realtime.protocol import RealtimeProtocol
from mmid.simcloud.qwen_realtime.vocabulary import VOCABULARY, RealtimeRules

MODEL = "qwen3-omni-flash-realtime"
SAY = ScriptedTurn(transcript="one two three four", reply="five six seven eight")
REPLY = bytes(range(240)) * 100  # 24 000 bytes: two whole deltas and a half one
RULES = [field.name for field in fields(RealtimeRules)]
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("lamp", "thermometer")]

SPEAKING = [
    "response.output_item.added",
    "conversation.item.created",
    "response.content_part.added",
    "response.audio_transcript.delta five",
    "audio 9600",
    "response.audio_transcript.delta  six",
    "audio 9600",
    "response.audio_transcript.delta  seven",
    "response.audio_transcript.delta  eight",
    "audio 4800",
    "response.audio_transcript.done five six seven eight",
    "response.audio.done",
    "response.content_part.done",
    "response.output_item.done",
    "whole",
    "response.done completed",
]
UNDERSTOOD = [
    "input_audio_buffer.committed",
    "conversation.item.created",
    "conversation.item.input_audio_transcription.completed one two three four",
]


def tone(seconds: float, loudness: int = 8000) -> bytes:
    samples = (int(loudness * math.sin(index * 0.2)) for index in range(int(16000 * seconds)))
    return array("h", samples).tobytes()


class Talk:
    """A client's end, and the clock."""

    def __init__(self, *faults: Fault, model: str = MODEL, **scenario: Any) -> None:
        ids = (f"{number:032}" for number in count(1))
        scenario.setdefault("turns", (SAY,))
        own = {name: scenario.pop(name) for name in RULES if name in scenario}
        script = Scenario(**scenario, faults=faults, tables=(RealtimeRules(**own),))
        run = ScenarioRun(script, VOCABULARY, lambda _turn, _hz: REPLY, ids.__next__)
        self.now = 100.0
        self.refusals: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.core = RealtimeProtocol(model, run, self.now)
        assert self.run() == ["session.created"]

    def send(self, kind: str, **members: Any) -> list[str]:
        return self.frame({"type": kind, "event_id": "event_1", **members})

    def frame(self, event: object) -> list[str]:
        return self._read(self.core.text(json.dumps(event), self.now))

    def update(self, **session: Any) -> list[str]:
        return self.send("session.update", session=session)

    def audio(self, data: bytes) -> list[str]:
        return self.send("input_audio_buffer.append", audio=base64.b64encode(data).decode())

    def speak(self, seconds: float, loudness: int = 8000) -> list[str]:
        """Send so much sound in pieces of 100 ms, as a microphone does."""
        data, trace = tone(seconds, loudness), []
        for at in range(0, len(data), 3200):
            trace += self.audio(data[at : at + 3200])
            self.now += 0.1
        return trace

    def run(self, seconds: float = 10.0) -> list[str]:
        """Let time pass, step by step, until nothing is near."""
        out: list[str] = []
        end = self.now + seconds
        while self.core.deadline <= end:
            self.now = max(self.now, self.core.deadline)
            out += self._read(self.core.tick(self.now))
        return out

    def _read(self, actions: list[Action]) -> list[str]:
        for action in actions:
            if isinstance(action, JournalLine) and action.kind == "refusal":
                self.refusals.append(str(action.fields["reason"]))
            if isinstance(action, SendText):
                self.events.append(json.loads(action.text))
        return [word for action in actions for word in _words(action)]


def _words(action: Action) -> list[str]:
    match action:
        case SendText(_, name, told):
            return [" ".join((name, *_fact(name, told)))]
        case SendReplyAudio(data, stray):
            return [f"{'stray' if stray else 'audio'} {len(data)}"]
        case ReplyEnd(cut):
            return ["cut" if cut else "whole"]
        case Heard(data, _, how, _):
            return [f"heard {len(data)} {how}"]
        case CloseSocket(code, reason):
            return [f"close {code} {reason}".strip()]
    return []


def _fact(name: str, told: dict[str, Any]) -> list[str]:
    """Return the one fact of an event that a trace shows."""
    if "stash" in told:
        return [told["text"] + told["stash"]]
    if name == "response.created":
        return []
    keys = ("delta", "transcript", "text", "message", "status")
    return [str(told[key]) for key in keys if key in told and "arguments" not in name][:1]
