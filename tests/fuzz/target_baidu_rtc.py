"""Whole dialogs with a Baidu RTC service whose messages were bent: one connection, start to end."""

import json
from contextlib import suppress
from math import inf
from random import Random
from typing import Any

from mmid.errors import CallerError
from mmid.session.effects import Effect, Send
from tests.fuzz.clock import pass_time
from tests.session.dialects.baidu_rtc.connection import (
    BEGIN,
    COMING,
    END,
    FAILED,
    GONE,
    MODES,
    MUST,
    PASS,
    READY,
    connection,
)
from tests.session.dialects.multimodal_dialog.test_mutated_frames import (
    STRANGE_TEXTS,
    bent,
    check,
)

CALL: dict[str, Any] = {
    "session_id": "call-1",
    "content": json.dumps({"function_name": "lamp", "parameter_list": [{"on": True}]}),
}
SPOKEN = [
    COMING, "[Q]:[M]:what ", "[Q]:[M]:[C]:is it", GONE, "[Q]:what is it", "[Q]:[C]:what is it",
    "[Q]:now|||[name]:1&[emotion]:calm&[score]:0.9", "[A]:[H]:let me see", "[A]:[M]:it ",
    "[A]:[M]:it is", BEGIN, "[A]:it is five", END, "[F]", "[F]:[C]", "[E]:[UPLOAD_IMAGE]",
    "[E]:[CONID]:4711", '[E]:[TAG_MSG]:"((CUSTOM:smile))"', "[E]:[CMD]:[REMOTE_PLAYER]:[STOP]",
    "[E]:[INT_WORD_HIT]:stop", "[E]:[MODEL]:[ERROR]:busy", "[E]:[AGENTID]:7", '{"type":"x"}',
    "[C]:{}", MUST, READY, PASS,
]  # fmt: skip
BOARD = [
    "start_speech", "record", "record", "stop_speech", "cancel_speech", "interrupt", "ask", "say",
    "playback_started", "playback_finished", "playback_failed", "recorder_failed", "pong", "tick",
    "show", "answer",
]  # fmt: skip
INPUTS: dict[str, Any] = {"record": bytes(3200), "ask": "[E]:[LIC]:what\n", "say": "[B]"}


def message(dice: Random) -> str:
    """Return a message as the service writes it, or bent."""
    text = dice.choice(SPOKEN)
    if text in ("[F]", "[F]:[C]"):
        text = f"{text}:{json.dumps(bent(CALL, dice) if dice.random() < 0.5 else CALL)}"
    if dice.random() < 0.3:
        at = dice.randrange(len(text) + 1)
        text = text[:at] + dice.choice(STRANGE_TEXTS) + text[dice.choice([at, len(text)]) :]
    return text.encode(errors="ignore").decode()  # half a character crosses no wire


def invent(dice: Random) -> bytes:
    """Make a dialog: what the board does, messages and sound, and seconds that go by."""
    way_in = [MUST, READY, PASS]
    dice.shuffle(way_in)
    steps: list[Any] = [{"frame": text} for text in way_in]
    for _ in range(dice.randrange(80)):
        die = dice.random()
        if die < 0.5:
            steps.append({"frame": message(dice)})
        elif die < 0.7:
            steps.append({"sound": dice.choice([0, 3, 8, 641, 640, 3200, 70_000])})
        else:
            steps.append(dice.choice([*BOARD, 0.1, 5.0, 100.0]))
    if dice.random() < 0.1:
        steps.insert(dice.randrange(len(steps)), {"frame": f"{FAILED}why\n{dice.random()}"})
    return json.dumps({"mode": dice.choice(MODES), "steps": steps}).encode()


async def take(data: bytes) -> None:
    """Live through it: all that is to be done afterwards can be done."""
    given = json.loads(data)
    dialect, now = connection(given["mode"]), 0.0
    for step in given["steps"]:
        if isinstance(step, float):
            now = pass_time(dialect, now, step, see)
        elif isinstance(step, str):
            with suppress(CallerError):  # that is an answer
                see(act(dialect, step, now))
        elif "sound" in step:
            see(dialect.receive_binary(bytes(step["sound"]), now))
        else:
            see(dialect.receive_text(step["frame"], now))
    see(dialect.end(now))
    see(dialect.closed(None, "", now))
    assert dialect.deadline == inf, "it is over"


def act(dialect: Any, step: str, now: float) -> list[Effect]:
    """Let the board do something."""
    if step == "show":
        return list(dialect.ask("what is it", now, images=[b"\xff\xd8"]))
    if step == "answer":
        return list(dialect.tool_result("call-1", '{"on": true}', now))
    arguments = [INPUTS[step]] if step in INPUTS else []
    return list(getattr(dialect, step)(*arguments, now))


def see(effects: list[Effect]) -> None:
    """Fail if one could not be carried out, or is no single line."""
    for effect in effects:
        if isinstance(effect, Send):
            assert "\n" not in effect.text
            effect.text.encode()
        else:
            check(effect)
