"""A strict client's end of the protocol: sends messages, reads a trace of what came of them."""

import json
from dataclasses import fields
from itertools import count
from typing import Any

from mmid.secrets import Secret
from mmid.simcloud.baidu_rtc.activations import ActivationBook
from mmid.simcloud.baidu_rtc.handshake import RtcHandshake
from mmid.simcloud.baidu_rtc.outlet import RtcOutlet
from mmid.simcloud.baidu_rtc.protocol import RtcProtocol
from mmid.simcloud.baidu_rtc.vocabulary import VOCABULARY, RtcRules
from mmid.simcloud.core.actions import (
    Action,
    Drop,
    Heard,
    JournalLine,
    ReplyEnd,
    SendReplyAudio,
    SendText,
)
from mmid.simcloud.core.codecs import ReplyFormat
from mmid.simcloud.core.scenario import Fault, Scenario, ScenarioRun, ScriptedTurn
from tests.simcloud.qwen_realtime.talk import tone

KEY, APP, DEVICE = "key-0123456789", "app-1", "board-0001"
SAY = ScriptedTurn(transcript="one two three four", reply="five six seven eight")
REPLY = bytes(range(240)) * 32  # 7680 bytes: two whole frames and a piece of one
PCM = ReplyFormat("pcm", 16_000, 100, 0)
RULES = [field.name for field in fields(RtcRules)]

MUST = "[E]:[LIC]:[MUST]:license is required"
READY = "[E]:[MEDIA]:[READY]:1"
PASS = "[E]:[LIC]:[RES]:[PASS]:"
BEGIN, END = "[E]:[TTS_BEGIN_SPEAKING]", "[E]:[TTS_END_SPEAKING]"
START, STOP = "[E]:[CMD]:[ASR_START_LONGTEXT_REC]", "[E]:[CMD]:[ASR_STOP_LONGTEXT_REC]"
PUSH_TO_TALK = ("[E]:[CMD]:[ASR_DISABLE_REALTIME]", "[SET]:[AUTO_INT]:[FALSE]")
SPEAKING = [
    BEGIN,
    "[A]:[M]:five",
    "audio 3200",
    "[A]:[M]:five six",
    "audio 3200",
    "[A]:[M]:five six seven",
    "[A]:[M]:five six seven eight",
    "audio 1280",
    "[A]:five six seven eight",
    END,
    "whole",
]


def active(device: str = DEVICE, key: str = KEY, **more: object) -> str:
    told = {"devId": device, "uId": "user-1", "licKey": key, **more}
    return f"[E]:[LIC]:[ACTIVE]:{json.dumps(told)}"


class Talk:
    """A client's end, and the clock."""

    def __init__(
        self,
        *faults: Fault,
        form: ReplyFormat = PCM,
        wrong: str = "",
        long_audio: bool | None = None,
        book: ActivationBook | None = None,
        **scenario: Any,
    ) -> None:
        ids = (f"{number:032}" for number in count(1))
        scenario.setdefault("turns", (SAY,))
        rules = RtcRules(**{name: scenario.pop(name) for name in RULES if name in scenario})
        script = Scenario(**scenario, faults=faults, tables=(rules,))
        run = ScenarioRun(script, VOCABULARY, lambda _turn, _hz: REPLY, ids.__next__)
        self.now = 100.0
        self.refusals: list[str] = []
        self.lines: list[JournalLine] = []
        self.heads: list[bytes] = []
        self.book = book or ActivationBook(
            Secret(KEY), APP, quota=rules.quota, refusal=rules.refuse
        )
        outlet = RtcOutlet(run.plan, self.now)
        handshake = RtcHandshake(outlet, self.book, rules, wrong=wrong)
        self.core = RtcProtocol(outlet, handshake, run, form, long_audio=long_audio)

    def open(self, *messages: str) -> list[str]:
        """Bring the connection to where audio may flow, and send the mode commands."""
        self.run(2.0)
        self.send(active())
        self.run(2.0)
        trace = self.send('[SET]:[DEVICE_INFO]:{"os":"linux","user_id":"user-1"}')
        for message in messages:
            trace += self.send(message)
        return trace

    def send(self, text: str) -> list[str]:
        self.now += 0.1
        return self._read(self.core.text(text, self.now))

    def audio(self, data: bytes) -> list[str]:
        return self._read(self.core.binary(data, self.now))

    def speak(self, seconds: float, loudness: int = 8000) -> list[str]:
        """Send so much sound in frames of 100 ms, as a microphone does."""
        data, trace = tone(seconds, loudness), []
        for at in range(0, len(data), 3200):
            trace += self.audio(data[at : at + 3200])
            self.now += 0.1
        return trace

    def press(self, seconds: float = 0.2) -> list[str]:
        """Hold a press."""
        return [*self.send(START), *self.speak(seconds), *self.send(STOP)]

    def run(self, seconds: float = 10.0) -> list[str]:
        """Let time pass, step by step."""
        out: list[str] = []
        end = self.now + seconds
        while self.core.deadline <= end:
            self.now = max(self.now, self.core.deadline)
            out += self._read(self.core.tick(self.now))
        self.now = end
        return out

    def leave(self) -> list[str]:
        return self._read(self.core.lost(self.now))

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Return what the journal has of a kind."""
        return [line.fields for line in self.lines if line.kind == kind]

    def _read(self, actions: list[Action]) -> list[str]:
        self.lines += [action for action in actions if isinstance(action, JournalLine)]
        self.refusals = [told["reason"] for told in self.told("refusal")]
        self.heads += [action.head for action in actions if isinstance(action, SendReplyAudio)]
        return [word for action in actions for word in _words(action)]


def _words(action: Action) -> list[str]:
    match action:
        case SendText(text):
            return [text]
        case SendReplyAudio(data, stray):
            return [f"{'stray' if stray else 'audio'} {len(data)}"]
        case ReplyEnd(cut):
            return ["cut" if cut else "whole"]
        case Heard(data, _, how, _):
            return [f"heard {len(data)} {how}"]
        case Drop():
            return ["1006"]
    return []
