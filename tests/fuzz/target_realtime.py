"""Whole dialogs with a realtime service whose events were bent: one connection, to its end."""

import json
from random import Random
from typing import Any

from mmid.errors import CallerError
from mmid.session.effects import Effects, Emit, Note, SaveDialog, Send
from tests.session.dialects.multimodal_dialog.test_mutated_frames import bent
from tests.session.dialects.qwen_realtime.pair import MODES, realtime

_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_RESPONSE = {"id": "r", "status": "completed", "usage": {"input_tokens": 1, "total_tokens": 2}}
_WHERE = {"response_id": "r", "item_id": "i"}

# A turn with a call, and one that is heard, as the service tells them.
_SAID: list[dict[str, Any]] = [
    {"type": "input_audio_buffer.speech_started", "item_id": "i"},
    {"type": "input_audio_buffer.speech_stopped", "item_id": "i"},
    {"type": "input_audio_buffer.committed", "item_id": "i"},
    {"type": f"{_TRANSCRIPTION}.delta", "item_id": "i", "text": "what", "stash": " is"},
    {"type": f"{_TRANSCRIPTION}.completed", "item_id": "i", "transcript": "what is"},
    {"type": "response.created", "response": _RESPONSE},
    {
        "type": "response.function_call_arguments.done",
        **_WHERE,
        "call_id": "c",
        "name": "lamp",
        "arguments": " {}",
    },
    {"type": "response.content_part.added", **_WHERE, "part": {"type": "audio"}},
    {"type": "response.audio.delta", **_WHERE, "delta": "AAAA"},
    {"type": "response.output_audio.delta", "data": {"audio": "AAA="}},
    {"type": "response.audio_transcript.delta", **_WHERE, "delta": "so"},
    {"type": "response.audio_transcript.done", **_WHERE, "transcript": "so"},
    {"type": "response.audio.done", **_WHERE},
    {"type": "response.done", "response": _RESPONSE},
    {"type": "error", "error": {"type": "server_error", "code": "c", "message": "m"}},
    {"type": "session.created", "session": {"id": "s"}},
]
_DONE = ["press", "record", "release", "ask", "interrupt", "answer", "drained", "time"]


def invent(dice: Random) -> bytes:
    """Make a dialog: what is done, and events as they come."""
    steps: list[str] = []
    for _ in range(dice.randrange(10, 80)):
        if dice.random() < 0.3:
            steps.append(dice.choice(_DONE))
            continue
        said = dice.choice(_SAID)
        event = said if dice.random() < 0.4 else bent(said, dice)
        steps.append("< " + json.dumps(event, ensure_ascii=dice.random() < 0.5))
    return json.dumps({"mode": dice.choice(MODES), "steps": steps}).encode()


async def take(data: bytes) -> None:
    """Live through it: all that is to be done afterwards can be done."""
    given = json.loads(data)
    dialect, now = realtime(given["mode"]), 1.0
    dialect.begin(0.0)
    for session in ("created", "updated"):
        dialect.receive_text(f'{{"type":"session.{session}","session":{{"id":"s"}}}}', now)
    for step in given["steps"]:
        now += 0.1
        try:
            effects = _step(dialect, step, now)
        except CallerError:
            continue
        _check(effects)
    _check(dialect.end(now, "it is over"))
    assert dialect.deadline == float("inf")


def _step(dialect: Any, step: str, now: float) -> Effects:
    if step.startswith("< "):
        return list(dialect.receive_text(step.removeprefix("< "), now))
    done = {
        "press": lambda: dialect.start_speech(now),
        "record": lambda: dialect.record(bytes(3200), now),
        "release": lambda: dialect.stop_speech(now),
        "ask": lambda: dialect.ask("what", now),
        "interrupt": lambda: dialect.interrupt(now),
        "answer": lambda: dialect.tool_result("c", "{}", now),
        "drained": lambda: dialect.playback_finished(now),
        "time": lambda: dialect.tick(now),
    }
    return list(done[step]())


def _check(effects: Effects) -> None:
    for effect in effects:
        match effect:
            case Emit(event):
                assert all(
                    getattr(event, key).encode() is not None for key in event.__dataclass_fields__
                )
            case Send(text):
                assert json.loads(text)["type"]
            case Note(text):
                assert len(text.encode()) < 4096
            case SaveDialog(dialog_id):
                assert len(dialog_id.encode()) <= 4 * 128
