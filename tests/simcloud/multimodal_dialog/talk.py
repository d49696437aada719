"""A client's end of the protocol core: says directives, reads a trace of what came of them."""

import json
import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import count
from typing import Any

from mmid.simcloud.core.actions import (
    Action,
    CloseSocket,
    Drop,
    Flood,
    Heard,
    JournalLine,
    Pause,
    ReplyEnd,
    SendRaw,
    SendReplyAudio,
    SendText,
)
from mmid.simcloud.core.scenario import Scenario, ScenarioRun, ScriptedTurn
from mmid.simcloud.multimodal_dialog.protocol import Account, DialogProtocol
from mmid.simcloud.multimodal_dialog.vocabulary import VOCABULARY, DialogRules

APP = "mm_0123456789abcdef0123456789ab"
WORKSPACE = "llm-0123456789abcdef"
TASK = "0123456789abcdef0123456789abcdef"
SAY = ScriptedTurn(transcript="one two three four", reply="five six seven eight")
REPLY = bytes(range(250)) * 80  # 20 000 bytes: two whole frames and a half one
RESPOND: dict[str, Any] = {"type": "prompt", "text": "hi", "dialog_id": None}
FRAME = b"\x01\x02" * 1600  # 100 ms at 16 kHz


def tone(seconds: float, loudness: int = 8000) -> bytes:
    samples = (int(loudness * math.sin(index * 0.2)) for index in range(int(16000 * seconds)))
    return array("h", samples).tobytes()


def start_payload(**changes: Any) -> dict[str, Any]:
    """Return a right Start payload; ``changes`` go by dotted path with __ for dots."""
    payload: dict[str, Any] = {
        "task_group": "aigc",
        "task": "multimodal-generation",
        "function": "generation",
        "model": "multimodal-dialog",
        "input": {"directive": "Start", "workspace_id": WORKSPACE, "app_id": APP},
        "parameters": {
            "upstream": {"type": "AudioOnly", "mode": "push2talk", "sample_rate": 16000},
            "downstream": {"sample_rate": 24000, "intermediate_text": "transcript,dialog"},
            "client_info": {"user_id": "tester", "device": {"uuid": "tester"}},
        },
    }
    for path, value in changes.items():
        table = payload
        *folders, key = path.split("__")
        for folder in folders:
            table = table[folder]
        table[key] = value
    return payload


class Talk:
    """A client's end of the core, and the clock."""

    def __init__(self, *, licensed: bool = False, **scenario: Any) -> None:
        ids = (f"00000000-0000-0000-0000-{number:012}" for number in count(1))
        scenario.setdefault("turns", (SAY,))
        own = {name: scenario.pop(name) for name in RULES if name in scenario}
        script = Scenario(**scenario, tables=(DialogRules(**own),))
        run = ScenarioRun(script, VOCABULARY, lambda _turn, _hz: REPLY, ids.__next__)
        self.now = 100.0
        self.notes: list[JournalLine] = []
        self.account = Account(APP, WORKSPACE, licensed)
        self.script = run
        self.core = DialogProtocol(self.account, run, self.now)

    def again(self) -> None:
        """Connect a second time, to the same service."""
        self.core = DialogProtocol(self.account, self.script, self.now)

    def say(self, name: str, parameters: dict[str, Any] | None = None, **fields: Any) -> list[str]:
        action = {"Start": "run-task", "Stop": "finish-task"}.get(name, "continue-task")
        header = {"action": action, "task_id": TASK, "streaming": "duplex"}
        payload: dict[str, Any] = {"input": {"directive": name, **fields}}
        if parameters is not None:
            payload["parameters"] = parameters
        return self.frame({"header": header, "payload": payload})

    def start(self, **changes: Any) -> list[str]:
        header = {"action": "run-task", "task_id": TASK, "streaming": "duplex"}
        return self.frame({"header": header, "payload": start_payload(**changes)})

    def frame(self, frame: object) -> list[str]:
        actions = self.core.text(json.dumps(frame), self.now)
        self.notes += [action for action in actions if isinstance(action, JournalLine)]
        return short(actions)

    def audio(self, data: bytes = FRAME) -> list[str]:
        return short(self.core.binary(data, self.now))

    @property
    def refusal(self) -> str:
        """Why the connection was refused."""
        (note,) = [note for note in self.notes if note.kind == "refusal"]
        return str(note.fields["reason"])

    def texts(self) -> list[dict[str, Any]]:
        """Let time pass as ``run`` does; return the outputs of the text frames."""
        sent: list[dict[str, Any]] = []
        while self.core.deadline < self.now + 10:
            self.now = max(self.now, self.core.deadline)
            actions = self.core.tick(self.now)
            texts = [action.text for action in actions if isinstance(action, SendText)]
            sent += [json.loads(text)["payload"]["output"] for text in texts]
        return sent

    def run(self, until: Callable[[list[str]], bool] | None = None) -> list[str]:
        """Let time pass, step by step, until something is seen or nothing is near."""
        out: list[str] = []
        while self.core.deadline < self.now + 10 and not (until and until(out)):
            self.now = max(self.now, self.core.deadline)
            out += short(self.core.tick(self.now))
        return out


def short(actions: list[Action]) -> list[str]:
    """Return a trace as one reads it; the journal's notes are left out."""
    return [word for action in actions for word in words(action)]


def words(action: Action) -> Iterator[str]:
    match action:
        case SendText():
            yield text_words(action)
        case SendReplyAudio(data, stray):
            yield f"{'stray' if stray else 'audio'} {len(data)}"
        case ReplyEnd(cut):
            yield "cut" if cut else "whole"
        case Heard(data, _, how, _):
            yield f"heard {len(data)} {how}"
        case CloseSocket(code, reason):
            yield f"close {code}{' ' if reason else ''}{reason}"
        case Flood(frame, number):
            yield f"{number} x {next(words(frame))}"
        case Drop() | Pause() | SendRaw():
            yield type(action).__name__.lower()
        case _:
            pass


def text_words(action: SendText) -> str:
    fields = action.fields
    match action.name:
        case "DialogStateChanged":
            return str(fields["state"])
        case "SpeechContent" | "RespondingContent":
            return f"{action.name} {fields['text']}{'.' if fields['finished'] else ''}"
        case "Error" | "task-failed":
            return f"error {fields.get('code') or fields.get('error_code')}"
    return action.name


RULES = [field.name for field in fields(DialogRules)]
READY = ["task-started", "Started", "Listening"]
REPLYING = [
    "Responding",
    "RespondingStarted",
    "audio 8000",
    "RespondingContent five",
    "audio 8000",
    "RespondingContent five six",
    "audio 4000",
    "RespondingContent five six seven",
    "RespondingContent five six seven eight.",
    "RespondingEnded",
    "whole",
]
HEARD = ["SpeechContent one two three four.", "SpeechEnded", "Thinking"]
