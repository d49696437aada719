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

from mmid.simcloud.scenario import Turn

CLIENT = Path(__file__).with_name("dashscope_push_to_talk.py")


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
    assert (got["transcript"], got["reply"]) == (Turn().transcript, Turn().reply)
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
