"""A cloud is added by one folder and one line, and everything of the core works for it."""

import asyncio
import hashlib
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mmid.simcloud import clouds
from mmid.simcloud.cloud import SimCloud

SCENARIO = """\
toy.greeting = "ahoy"
{}
"""


@pytest.fixture(autouse=True)
def one_line_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clouds, "CLOUDS", [*clouds.CLOUDS, "tests.simcloud.toy_cloud"])


def make(tmp_path: Path, *faults: tuple[str, str]) -> SimCloud:
    told = [f'[[fault]]\nwhen = "{when}"\ndo = "{do}"\n' for when, do in faults]
    file = tmp_path / "scenario.toml"
    file.write_text(SCENARIO.format("".join(told)))
    return SimCloud(tmp_path, scenario=clouds.read_scenario(file), record_dir=tmp_path / "records")


def trust(cloud: SimCloud) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=cloud.ca_file)


async def mint(cloud: SimCloud) -> str:
    def post() -> str:
        url = f"{cloud.line['toy_key_url']}?polly"
        request = urllib.request.Request(url, b"")  # noqa: S310 - the cloud's own
        handlers: list[Any] = [urllib.request.ProxyHandler({})]
        handlers.append(urllib.request.HTTPSHandler(context=trust(cloud)))
        with urllib.request.build_opener(*handlers).open(request, timeout=10) as response:
            return str(response.read().decode())

    return await asyncio.to_thread(post)


def talk(cloud: SimCloud, key: str = "polly") -> connect:
    return connect(f"{cloud.line['toy_ws_url']}?key={key}", ssl=trust(cloud), proxy=None)


async def say(websocket: ClientConnection, text: str) -> str | bytes:
    await websocket.send(text)
    return await asyncio.wait_for(websocket.recv(), 10)


async def say_much(websocket: ClientConnection) -> None:
    for _ in range(3):
        await say(websocket, "polly")


async def test_it_is_served_beside_the_others(tmp_path: Path) -> None:
    async with make(tmp_path) as cloud:
        assert {"ws_url", "license_url", "toy_ws_url", "toy_key_url"} <= cloud.line.keys()
        assert cloud.line["toy_ws_url"].startswith(
            cloud.line["ws_url"].removesuffix("/api-ws/v1/inference")
        )
        assert await mint(cloud) == '{"key": "polly"}'
        async with talk(cloud) as websocket:
            assert await say(websocket, "polly") == "ahoy, polly"
            audio = await asyncio.wait_for(websocket.recv(), 10)
            assert isinstance(audio, bytes)
            said = await cloud.wait_for("reply-end")
            assert said["sha256"] == hashlib.sha256(audio).hexdigest()
        await cloud.wait_for("disconnect")
        kinds = [entry["kind"] for entry in cloud.journal.entries]
        assert kinds == ["connect", "event", "reply-begin", "reply-end", "disconnect"]
    assert (tmp_path / "records" / "reply-0001.pcm").read_bytes() == audio


async def test_its_upgrade_is_refused_by_itself_and_by_a_fault(tmp_path: Path) -> None:
    async with make(tmp_path, ("Upgrade", "http:503")) as cloud:
        for status in (503, 401):
            with pytest.raises(InvalidStatus) as caught:
                await talk(cloud)
            assert caught.value.response.status_code == status
        told = [entry.get("reason") or entry["do"] for entry in cloud.journal.entries]
        assert told == ["http:503", "the scenario wants it", "no such key"]


@pytest.mark.parametrize(
    ("when", "do", "code"),
    [("word", "drop", None), ("echo", "close:4000:enough", 4000), ("word", "close:1011", 1011)],
)
async def test_its_connections_are_cut(
    tmp_path: Path, when: str, do: str, code: int | None
) -> None:
    async with make(tmp_path, (when, do)) as cloud:
        await mint(cloud)
        async with talk(cloud) as websocket:
            with pytest.raises(ConnectionClosed) as caught:
                await say_much(websocket)
            closed = caught.value.rcvd
            assert (closed.code if closed else None) == code
        assert (await cloud.wait_for("fault"))["do"] == do


async def test_its_frames_are_lost_repeated_late_and_malformed(tmp_path: Path) -> None:
    faults = (("word", "delay:50"), ("echo", "repeat"), ("ReplyAudio", "not-json"))
    async with make(tmp_path, *faults) as cloud:
        await mint(cloud)
        async with talk(cloud) as websocket:
            assert await say(websocket, "a") == "ahoy, a"
            frames = [await asyncio.wait_for(websocket.recv(), 10) for _ in range(3)]
    assert frames[0] == "ahoy, a"
    assert isinstance(frames[1], bytes)
    assert str(frames[2]).endswith("oops")


async def test_its_https_requests_fail_as_asked(tmp_path: Path) -> None:
    async with make(tmp_path, ("key", "http:429")) as cloud:
        with pytest.raises(urllib.error.HTTPError, match="429"):
            await mint(cloud)
        assert (await cloud.wait_for("fault"))["when"] == "key"
        assert await mint(cloud) == '{"key": "polly"}'
