"""Whole dialogs with a Qwen-Omni service whose events were bent: one connection, start to end."""

import json
from base64 import b64encode
from contextlib import suppress
from math import inf
from random import Random
from typing import Any

from mmid.errors import CallerError
from mmid.session.effects import Effect, Send
from tests.fuzz.clock import pass_time
from tests.session.dialects.multimodal_dialog.test_mutated_frames import bent, check
from tests.session.dialects.qwen_realtime.pair import MODES, realtime
from tests.session.dialects.qwen_realtime.test_rules import HONEST, ODD

CONNECTED = ["session.created", "session.updated"]
SPOKEN = [line for lines in (*HONEST[1:] * 3, *ODD) for line in lines]
BOARD = [
    "start_speech", "record", "record", "stop_speech", "cancel_speech", "interrupt", "ask", "say",
    "playback_started", "playback_finished", "playback_failed", "recorder_failed", "pong", "tick",
]  # fmt: skip
INPUTS: dict[str, Any] = {"record": bytes(3200), "ask": "what", "say": "so"}


def event(line: str, dice: Random) -> str:
    """Return an event as the service writes it, or bent."""
    kind, _, message = line.partition(" ")
    response_id = dice.choice(["resp_1", "resp_1", "resp_2", ""])
    content: Any = {
        "type": kind, "response_id": response_id, "item_id": "item_1", "call_id": "call_1",
        "response": {
            "id": response_id, "status": dice.choice(["completed", "failed", "cancelled"]),
            "usage": {"total_tokens": 7, "input_tokens_details": {"audio_tokens": 5}},
        },
        "session": {"id": "sess_1"}, "part": {"type": "audio"}, "text": "what ", "stash": "is",
        "transcript": "what is", "name": "lamp", "arguments": "{}",
        "delta": b64encode(bytes(480)).decode() if "audio.delta" in kind else "so ",
        "error": {"type": "invalid_request_error", "message": message},
    }  # fmt: skip
    if dice.random() < 0.5:
        content = bent(content, dice)
    text = json.dumps(content, ensure_ascii=dice.random() < 0.5)
    return text if dice.random() < 0.95 else text[: dice.randrange(len(text))]


def invent(dice: Random) -> bytes:
    """Make a dialog: what the board does, events as they come, and seconds that go by."""
    steps: list[Any] = [{"frame": json.dumps({"type": kind})} for kind in CONNECTED]
    for _ in range(dice.randrange(80)):
        if dice.random() < 0.6:
            steps.append({"frame": event(dice.choice(SPOKEN), dice)})
        else:
            steps.append(dice.choice([*BOARD, 0.1, 5.0, 100.0]))
    return json.dumps({"mode": dice.choice(MODES), "steps": steps}).encode()


async def take(data: bytes) -> None:
    """Live through it: all that is to be done afterwards can be done."""
    given = json.loads(data)
    dialect, now = realtime(given["mode"]), 0.0
    see(dialect.begin(now))
    for step in given["steps"]:
        if isinstance(step, float):
            now = pass_time(dialect, now, step, see)
        elif isinstance(step, str):
            arguments = [INPUTS[step]] if step in INPUTS else []
            with suppress(CallerError):  # that is an answer
                see(getattr(dialect, step)(*arguments, now))
        else:
            see(dialect.receive_text(step["frame"], now))
    see(dialect.end(now))
    see(dialect.closed(None, "", now))
    assert dialect.deadline == inf, "it is over"


def see(effects: list[Effect]) -> None:
    """Fail if one could not be carried out."""
    for effect in effects:
        if isinstance(effect, Send):
            assert json.loads(effect.text)["type"]
        else:
            check(effect)
