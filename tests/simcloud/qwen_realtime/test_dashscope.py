"""Alibaba's own realtime client against the simulated service: what keeps it honest."""

import asyncio
import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.scenario import Scenario, ScriptedTurn
from mmid.simcloud.qwen_realtime.vocabulary import RealtimeRules
from tests.simcloud.qwen_realtime.talk import tone
from tests.simcloud.qwen_realtime.test_protocol import JPEG

CLIENT = Path(__file__).with_name("dashscope_client.py")
SPEECH = tone(0.5)
CALLING = ScriptedTurn(tool_calls=({"name": "lamp", "arguments": {"on": True}},))


async def hold(cloud: SimCloud, dialog: str, trust: dict[str, str] | None = None) -> dict[str, Any]:
    """Let the client hold a dialog; nothing may have been refused."""
    facts = cloud.line | {
        "dialog": dialog,
        "speech": base64.b64encode(SPEECH).decode(),
        "picture": base64.b64encode(JPEG).decode(),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CLIENT)),
        env=os.environ | {"WEBSOCKET_CLIENT_CA_BUNDLE": facts["ca_file"]} | (trust or {}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(json.dumps(facts).encode()), 40)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    assert not [entry for entry in cloud.journal.entries if entry["kind"] == "refusal"]
    got: dict[str, Any] = json.loads(out)
    assert "error" not in got["trace"]
    return got


@pytest.mark.parametrize("odd_deltas", [False, True])
async def test_push_to_talk_is_heard_to_the_sample_and_a_reply_is_cancelled(
    tmp_path: Path, odd_deltas: bool
) -> None:
    turns = (ScriptedTurn(), ScriptedTurn(reply_s=30.0))
    rules = RealtimeRules(odd_deltas=odd_deltas)
    scenario = Scenario(thinking_ms=20, pace=4.0, turns=turns, tables=(rules,))
    async with SimCloud(tmp_path, scenario=scenario) as cloud:
        got = await hold(cloud, "push-to-talk")
    assert list(cloud.heard) == [SPEECH, SPEECH]
    assert base64.b64decode(got["audio"]).startswith(cloud.said[0])
    assert got["texts"]["response.audio_transcript.done"] == ScriptedTurn().reply
    first = got["trace"].index("response.created")
    assert got["trace"][:first] == [
        "session.created",
        "session.updated",
        "input_audio_buffer.committed",
        "conversation.item.created",
        "conversation.item.input_audio_transcription.completed",
    ]
    assert "image" in [entry["kind"] for entry in cloud.journal.entries]


async def test_with_detection_of_turns_the_service_ends_the_speech(tmp_path: Path) -> None:
    async with SimCloud(tmp_path, scenario=Scenario(thinking_ms=20, pace=0.0)) as cloud:
        got = await hold(cloud, "detected")
    order = ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"]
    assert [kind for kind in got["trace"] if kind in order] == order
    assert SPEECH in cloud.heard[0]
    assert base64.b64decode(got["audio"]) == cloud.said[0]


async def test_a_text_is_answered(tmp_path: Path) -> None:
    async with SimCloud(tmp_path, scenario=Scenario(thinking_ms=20, pace=0.0)) as cloud:
        got = await hold(cloud, "text")
    assert base64.b64decode(got["audio"]) == cloud.said[0]


async def test_a_function_is_called_and_answered(tmp_path: Path) -> None:
    scenario = Scenario(thinking_ms=20, pace=0.0, turns=(CALLING,))
    async with SimCloud(tmp_path, scenario=scenario) as cloud:
        got = await hold(cloud, "function")
    (result,) = [entry for entry in cloud.journal.entries if entry["kind"] == "tool-result"]
    assert json.loads(result["output"]) == {"ok": True}
    assert got["texts"]["response.audio_transcript.done"] == ScriptedTurn().reply
