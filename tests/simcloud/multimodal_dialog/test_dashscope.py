"""Alibaba's own client against the simulated cloud: what keeps the simulation honest."""

import asyncio
import base64
import hashlib
import json
import math
import os
import sys
from array import array
from pathlib import Path
from typing import Any

from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.scenario import Scenario, ScriptedTurn

CLIENT = Path(__file__).with_name("dashscope_client.py")
SPEECH = array("h", (int(8000 * math.sin(index * 0.2)) for index in range(8000))).tobytes()
WHOLE_REPLY = [
    "Thinking",
    "Responding",
    "responding started",
    "first audio",
    "responding content",
    "responding ended",
    "Listening",
]


async def run(*command: str, stdin: bytes, env: dict[str, str]) -> bytes:
    """Run a program to its end, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin), 40)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return out


async def test_alibabas_own_client_holds_a_whole_dialog(tmp_path: Path) -> None:
    tone = array("h", (int(8000 * math.sin(index * 0.2)) for index in range(16000)))
    speech = tone.tobytes()
    records = tmp_path / "records"
    cloud = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mmid.simcloud.main"),
        *("--cert-dir", str(tmp_path / "cloud"), "--record-dir", str(records)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert cloud.stdout is not None
    try:
        facts = json.loads(await asyncio.wait_for(cloud.stdout.readline(), 20))
        facts["dialog"] = "push-to-talk"
        facts["speech"] = base64.b64encode(speech).decode()
        trust = {"WEBSOCKET_CLIENT_CA_BUNDLE": facts["ca_file"], "SSL_CERT_FILE": facts["ca_file"]}
        answer = await run(sys.executable, str(CLIENT), stdin=json.dumps(facts).encode(), env=trust)
    finally:
        cloud.terminate()
        assert await asyncio.wait_for(cloud.wait(), 10) == 0
    got = json.loads(answer)
    assert got["trace"][:12] == [
        "connected",
        "started",
        "Listening",
        "speech started",
        "speech content",
        "speech ended",
        "Thinking",
        "Responding",
        "responding started",
        "first audio",
        "responding content",
        "responding ended",
    ]
    assert got["trace"][12:19] == [
        "Listening",
        "request accepted",
        "Listening",
        "Thinking",
        "request accepted",
        "Listening",
        "stopped",
    ]
    assert (got["transcript"], got["reply"]) == (ScriptedTurn().transcript, ScriptedTurn().reply)
    assert (records / "speech-0001.pcm").read_bytes() == speech
    audio = base64.b64decode(got["audio"])
    assert (records / "reply-0001.pcm").read_bytes() == audio
    ended = next(
        entry
        for entry in map(json.loads, (records / "journal.jsonl").read_text().splitlines())
        if entry["kind"] == "reply-end"
    )
    assert ended["sha256"] == hashlib.sha256(audio).hexdigest()
    assert ended["bytes"] == len(audio) > 24000


async def hold(cloud: SimCloud, dialog: str) -> dict[str, Any]:
    """Let the client hold a dialog with a cloud in this process; nothing may have been refused."""
    facts = cloud.line | {
        "dialog": dialog,
        "speech": base64.b64encode(SPEECH).decode(),
        "picture": base64.b64encode(b"\xff\xd8 a picture").decode(),
    }
    trust = {"WEBSOCKET_CLIENT_CA_BUNDLE": facts["ca_file"], "SSL_CERT_FILE": facts["ca_file"]}
    answer = await run(sys.executable, str(CLIENT), stdin=json.dumps(facts).encode(), env=trust)
    refusals = [entry for entry in cloud.journal.entries if entry["kind"] == "refusal"]
    assert not refusals
    got: dict[str, Any] = json.loads(answer)
    assert not [word for word in got["trace"] if word.startswith("error")]
    got["trace"] = got["trace"][: got["trace"].index("stopped") + 1]  # it may still hear the close
    return got


async def test_in_tap_to_talk_the_cloud_ends_each_speech(tmp_path: Path) -> None:
    async with SimCloud(tmp_path, scenario=Scenario(thinking_ms=20, pace=0.0)) as cloud:
        got = await hold(cloud, "tap-to-talk")
    speech = ["speech started", "speech content", "speech ended"]
    first, second = WHOLE_REPLY, [word for word in WHOLE_REPLY if word != "first audio"]
    assert got["trace"] == [
        *("connected", "started", "Listening"),
        *(*speech, *first),
        *(*speech, *second),
        "stopped",
    ]
    ends = [entry["how"] for entry in cloud.journal.entries if entry["kind"] == "speech-end"]
    assert ends == ["silence", "silence"]
    assert all(SPEECH in heard for heard in cloud.heard)
    assert base64.b64decode(got["audio"]) == b"".join(cloud.said)


async def test_in_duplex_a_voice_cuts_the_reply(tmp_path: Path) -> None:
    turns = (ScriptedTurn(reply_s=30.0), ScriptedTurn(reply="the second", reply_s=0.2))
    scenario = Scenario(thinking_ms=20, pace=2.0, turns=turns)
    async with SimCloud(tmp_path, scenario=scenario) as cloud:
        got = await hold(cloud, "duplex")
    trace = got["trace"]
    cut = trace.index("Listening", trace.index("first audio"))
    assert trace[cut : cut + 2] == ["Listening", "speech started"]
    assert "responding ended" not in trace[:cut]
    second = [word for word in WHOLE_REPLY if word != "first audio"]
    assert trace[cut + 2 :] == ["speech content", "speech ended", *second, "stopped"]
    assert got["reply"] == "the second"
    replies = [entry for entry in cloud.journal.entries if entry["kind"] == "reply-end"]
    assert [reply["cut"] for reply in replies] == [True, False]


async def test_a_dialog_in_text_has_pictures_news_and_commands(tmp_path: Path) -> None:
    command = {"name": "VOLUME_SET", "params": [{"name": "series", "normValue": "70"}]}
    turns = (ScriptedTurn(reply="a cup of coffee", commands=(command,)), ScriptedTurn())
    scenario = Scenario(thinking_ms=20, pace=0.0, turns=turns)
    async with SimCloud(tmp_path, scenario=scenario) as cloud:
        got = await hold(cloud, "text")
    second = [word for word in WHOLE_REPLY if word != "first audio"]
    assert got["trace"] == [
        *("connected", "started", "Listening"),
        *(*WHOLE_REPLY, *second),
        "stopped",
    ]
    assert got["reply"] == "thank you and good night"
    assert json.loads(got["extra"]["commands"]) == [command]
    assert base64.b64decode(got["audio"]) == b"".join(cloud.said)
    directives = [entry for entry in cloud.journal.entries if entry["kind"] == "directive"]
    facts = {entry["name"]: (entry.get("images"), entry.get("biz_params")) for entry in directives}
    assert facts["Start"] == (None, ["user_prompt_params"])
    assert facts["UpdateInfo"] == (1, ["user_query_params"])
    asked = next(entry for entry in directives if entry["name"] == "RequestToRespond")
    assert (asked["images"], asked["biz_params"]) == (1, ["videos"])
