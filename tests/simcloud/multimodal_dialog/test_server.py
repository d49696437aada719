"""The shell over real TLS, with a real WebSocket client."""

import asyncio
import hashlib
import json
import math
import ssl
import time
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.scenario import Fault, Scenario, ScriptedTurn
from mmid.simcloud.multimodal_dialog.vocabulary import DialogRules

TASK = "0123456789abcdef0123456789abcdef"
SPEECH = array("h", (int(8000 * math.sin(index * 0.2)) for index in range(16000))).tobytes()
QUICK = Scenario(thinking_ms=1, pace=0.0)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


def trust(cloud: SimCloud) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=cloud.ca_file)


@asynccontextmanager
async def client(cloud: SimCloud, **options: Any) -> AsyncIterator[ClientConnection]:
    options.setdefault("compression", None)
    headers = {"Authorization": f"Bearer {cloud.product.api_key.reveal()}"}
    async with connect(
        cloud.line["ws_url"],
        ssl=trust(cloud),
        additional_headers=headers,
        max_size=4 << 20,
        **options,
    ) as websocket:
        yield websocket


def directive(name: str, **fields: Any) -> str:
    action = {"Start": "run-task", "Stop": "finish-task"}.get(name, "continue-task")
    header = {"action": action, "task_id": TASK, "streaming": "duplex"}
    return json.dumps({"header": header, "payload": {"input": {"directive": name, **fields}}})


def start(cloud: SimCloud, **downstream: Any) -> str:
    frame = json.loads(
        directive("Start", app_id=cloud.product.app_id, workspace_id=cloud.product.workspace_id)
    )
    frame["payload"] |= {
        "task_group": "aigc",
        "task": "multimodal-generation",
        "function": "generation",
        "model": "multimodal-dialog",
        "parameters": {
            "upstream": {"type": "AudioOnly", "mode": "push2talk"},
            "downstream": {"sample_rate": 24000, **downstream},
            "client_info": {"user_id": "tester"},
        },
    }
    return json.dumps(frame)


async def until(websocket: ClientConnection, event: str) -> bytes:
    """Read up to an event or state, and return the audio on the way."""
    audio = b""
    async with asyncio.timeout(10):
        async for frame in websocket:
            if isinstance(frame, bytes):
                audio += frame
                continue
            output = json.loads(frame)["payload"].get("output", {})
            if event in (output.get("event"), output.get("state")):
                return audio
    raise AssertionError(f"{event} did not come")


async def until_blocked(cloud: SimCloud) -> None:
    """Wait until the cloud has more to send than the client takes."""
    server = cloud._websocket._server
    assert server is not None
    (connection,) = server.connections
    async with asyncio.timeout(10):
        while connection.transport.get_write_buffer_size() < 1 << 15:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_dialog_over_tls_loses_no_byte_either_way(directory: Path) -> None:
    async with SimCloud(directory, scenario=QUICK) as cloud, client(cloud) as websocket:
        await websocket.send(start(cloud))
        await until(websocket, "Listening")
        await websocket.send(directive("SendSpeech"))
        for at in range(0, len(SPEECH), 3200):
            await websocket.send(SPEECH[at : at + 3200])
        await websocket.send(directive("StopSpeech"))
        audio = await until(websocket, "RespondingEnded")
        ended = await cloud.wait_for("speech-end")
        assert ended["sha256"] == hashlib.sha256(SPEECH).hexdigest()
        assert (ended["how"], ended["seconds"]) == ("stop", 1.0)
        assert list(cloud.heard) == [SPEECH]
        said = await cloud.wait_for("reply-end")
        assert said["sha256"] == hashlib.sha256(audio).hexdigest()
        assert list(cloud.said) == [audio]
        await websocket.send(directive("LocalRespondingEnded"))
        await until(websocket, "Listening")
        await websocket.send(directive("Stop"))
        await until(websocket, "Stopped")
        assert (await cloud.wait_for("disconnect"))["code"] == 1000
    names = [entry["name"] for entry in cloud.journal.entries if entry["kind"] == "directive"]
    assert names == ["Start", "SendSpeech", "StopSpeech", "LocalRespondingEnded", "Stop"]
    kinds = [entry["kind"] for entry in cloud.journal.entries]
    assert kinds.index("speech-begin") < kinds.index("speech-end") < kinds.index("reply-begin")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer sk-wrong-wrong"}, {"Authorization": "Basic eDp5"}],
)
async def test_a_bad_credential_is_refused_at_the_upgrade(
    directory: Path, headers: dict[str, str]
) -> None:
    async with SimCloud(directory) as cloud:
        with pytest.raises(InvalidStatus) as caught:
            await connect(cloud.line["ws_url"], ssl=trust(cloud), additional_headers=headers)
        assert caught.value.response.status_code == 401
        assert "Bearer" in (await cloud.wait_for("rejected"))["reason"]


async def test_another_path_is_not_found(directory: Path) -> None:
    async with SimCloud(directory) as cloud:
        headers = {"Authorization": f"Bearer {cloud.product.api_key.reveal()}"}
        url = cloud.line["ws_url"].replace("inference", "elsewhere")
        with pytest.raises(InvalidStatus) as caught:
            await connect(url, ssl=trust(cloud), additional_headers=headers)
        assert caught.value.response.status_code == 404


async def test_a_client_that_does_not_trust_it_gets_nowhere(directory: Path) -> None:
    async with SimCloud(directory) as cloud:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(cloud.line["ws_url"])


async def test_a_refusal_says_why_on_the_wire_and_in_the_journal(directory: Path) -> None:
    async with SimCloud(directory) as cloud, client(cloud) as websocket:
        await websocket.send(b"\x00" * 3200)
        answer = json.loads(await asyncio.wait_for(websocket.recv(), 10))
        assert answer["header"]["status_message"] == "audio before Listening"
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(websocket.recv(), 10)
        assert (await cloud.wait_for("refusal"))["reason"] == "audio before Listening"


async def test_an_interruption_is_heard_while_the_client_reads_nothing(
    directory: Path, tmp_path: Path
) -> None:
    """A client that plays in real time stops reading when its buffers are full."""
    samples = bytes(8 << 20)
    with wave.open(str(tmp_path / "long.wav"), "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))
        file.writeframes(samples)
    turn = ScriptedTurn(reply_wav=str(tmp_path / "long.wav"))
    scenario = Scenario(thinking_ms=1, pace=0.0, turns=(turn,))
    async with (
        SimCloud(directory, scenario=scenario) as cloud,
        client(cloud, max_queue=1) as websocket,
    ):
        await websocket.send(start(cloud))
        await until(websocket, "Listening")
        await websocket.send(directive("RequestToRespond", type="prompt", text="", dialog_id=None))
        await until_blocked(cloud)
        await websocket.send(directive("RequestToSpeak"))
        await cloud.wait_for(lambda entry: entry.get("name") == "RequestToSpeak")
        audio = await until(websocket, "RequestAccepted")
        ended = await cloud.wait_for("reply-end")
        assert ended["cut"]
        assert ended["bytes"] == len(audio) < len(samples)
        websocket.transport.abort()


@pytest.mark.parametrize(
    ("do", "code"), [("close:1011:sorry", 1011), ("drop", None), ("invalid-utf8", 1007)]
)
async def test_a_broken_cloud_breaks_as_asked(directory: Path, do: str, code: int | None) -> None:
    scenario = Scenario(faults=(Fault("Listening", do),))
    async with SimCloud(directory, scenario=scenario) as cloud:
        async with client(cloud) as websocket:
            await websocket.send(start(cloud))
            with pytest.raises(ConnectionClosed) as caught:
                await until(websocket, "nothing")
            closed = caught.value.rcvd if code != 1007 else caught.value.sent
            assert (closed.code if closed else None) == code
        assert (await cloud.wait_for("fault"))["do"] == do
        await cloud.wait_for("disconnect")
        async with client(cloud) as websocket:
            await websocket.send(start(cloud))
            await until(websocket, "Listening")


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_an_upgrade_is_refused_as_asked_and_then_granted(
    directory: Path, status: int
) -> None:
    scenario = Scenario(faults=(Fault("Upgrade", f"http:{status}"),))
    async with SimCloud(directory, scenario=scenario) as cloud:
        with pytest.raises(InvalidStatus) as caught:
            async with client(cloud):
                pass
        assert caught.value.response.status_code == status
        async with client(cloud) as websocket:
            await websocket.send(start(cloud))
            await until(websocket, "Listening")


async def test_an_upgrade_may_be_late_or_never_answered(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faults = (Fault("Upgrade", "drop"), Fault("Upgrade", "delay:150", nth=2))
    async with SimCloud(directory, scenario=Scenario(faults=faults)) as cloud:
        with pytest.raises((InvalidMessage, ConnectionError)):
            async with client(cloud):
                pass
        began = time.monotonic()
        async with client(cloud):
            assert time.monotonic() - began >= 0.15
    assert "Traceback" not in caplog.text


async def test_a_reason_that_is_too_long_is_what_the_library_cannot_read(directory: Path) -> None:
    scenario = Scenario(faults=(Fault("Listening", "long-reason:1011"),))
    async with SimCloud(directory, scenario=scenario) as cloud, client(cloud) as websocket:
        await websocket.send(start(cloud))
        with pytest.raises(ConnectionClosed) as caught:
            await until(websocket, "nothing")
        assert caught.value.sent is not None
        assert caught.value.sent.code == 1002
        assert "control frame too long" in caught.value.sent.reason


@pytest.mark.parametrize(("do", "sent"), [("bad-opcode", 1002), ("half-frame", None)])
async def test_what_is_no_frame_ends_the_connection(
    directory: Path, do: str, sent: int | None
) -> None:
    scenario = Scenario(faults=(Fault("Listening", do),))
    async with SimCloud(directory, scenario=scenario) as cloud, client(cloud) as websocket:
        await websocket.send(start(cloud))
        with pytest.raises(ConnectionClosed) as caught:
            await until(websocket, "nothing")
        assert (caught.value.sent.code if caught.value.sent else None) == sent


@pytest.mark.parametrize("kind", ["text", "audio"])
async def test_a_flood_arrives_whole_and_the_journal_is_not_flooded(
    directory: Path, kind: str
) -> None:
    scenario = Scenario(faults=(Fault("Listening", f"{kind}-flood:500"),))
    async with SimCloud(directory, scenario=scenario) as cloud, client(cloud) as websocket:
        await websocket.send(start(cloud))
        await websocket.send(directive("HeartBeat"))
        frames: list[str | bytes] = []
        async with asyncio.timeout(10):
            while "HeartBeat" not in str(frames[-1:]):
                frames.append(await websocket.recv())
        floods = [frame for frame in frames if isinstance(frame, bytes) == (kind == "audio")]
        assert len(floods) == (500 if kind == "audio" else 504)
        assert len(cloud.journal.entries) < 20


async def test_a_delay_holds_back_what_follows(directory: Path) -> None:
    scenario = Scenario(faults=(Fault("HeartBeat", "delay:150"),))
    async with SimCloud(directory, scenario=scenario) as cloud, client(cloud) as websocket:
        await websocket.send(start(cloud))
        await until(websocket, "Listening")
        began = time.monotonic()
        await websocket.send(directive("HeartBeat"))
        await until(websocket, "HeartBeat")
        assert time.monotonic() - began >= 0.15


async def test_an_event_is_dated_before_the_client_can_have_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a client on another core hears a text before its cloud said it."""
    sent_at: list[float] = []
    send = ServerConnection.send

    async def noting(connection: ServerConnection, *arguments: Any, **options: Any) -> None:
        await send(connection, *arguments, **options)
        sent_at.append(time.monotonic())

    monkeypatch.setattr(ServerConnection, "send", noting)
    async with SimCloud(directory, scenario=QUICK) as cloud, client(cloud) as websocket:
        await websocket.send(start(cloud))
        await until(websocket, "Listening")
        events = [entry for entry in cloud.journal.entries if entry["kind"] == "event"]
        assert len(events) == len(sent_at) > 1
        for event, at in zip(events, sent_at, strict=True):
            assert event["t"] < at, event


async def test_silence_ends_the_connection_with_response_timeout(directory: Path) -> None:
    scenario = Scenario(tables=(DialogRules(idle_s=0.1),))
    async with SimCloud(directory, scenario=scenario) as cloud, client(cloud) as websocket:
        last = await asyncio.wait_for(websocket.recv(), 10)
        assert json.loads(last)["header"]["error_code"] == "ResponseTimeout"
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(websocket.recv(), 10)


async def test_a_client_that_vanishes_leaves_its_speech_in_the_journal(directory: Path) -> None:
    async with SimCloud(directory, scenario=QUICK) as cloud:
        async with client(cloud) as websocket:
            await websocket.send(start(cloud))
            await until(websocket, "Listening")
            await websocket.send(directive("SendSpeech"))
            await websocket.send(SPEECH[:3200])
            await until(websocket, "SpeechStarted")
            websocket.transport.abort()
        assert (await cloud.wait_for("speech-end"))["how"] == "lost"
        assert list(cloud.heard) == [SPEECH[:3200]]


async def test_too_many_connections_are_turned_away(directory: Path) -> None:
    async with SimCloud(directory) as cloud, asyncio.TaskGroup() as group:
        leave = asyncio.Event()

        async def stay() -> None:
            async with client(cloud):
                await leave.wait()

        for _ in range(16):
            group.create_task(stay())
        await cloud.wait_for("connect", nth=16)
        with pytest.raises(InvalidStatus) as caught:
            async with client(cloud):
                pass
        assert caught.value.response.status_code == 503
        leave.set()
