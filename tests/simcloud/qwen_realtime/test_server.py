"""Who is let in: keys, temporary keys, and what the URL must name."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.scenario import Scenario
from mmid.simcloud.qwen_realtime.vocabulary import RealtimeRules

MODEL = "?model=qwen3-omni-flash-realtime"


def post(url: str, body: bytes, ca_file: str, key: str = "") -> tuple[int, dict[str, Any]]:
    """Ask for a temporary key."""
    where, context = urlsplit(url), ssl.create_default_context(cafile=ca_file)
    connection = HTTPSConnection(str(where.hostname), where.port, timeout=10, context=context)
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    with closing(connection):
        connection.request("POST", f"{where.path}?{where.query}", body, headers)
        answer = connection.getresponse()
        return answer.status, json.load(answer)


async def first_event(cloud: SimCloud, key: str, query: str = MODEL) -> str:
    context = ssl.create_default_context(cafile=cloud.line["ca_file"])
    headers = {"Authorization": f"Bearer {key}"}
    url = cloud.line["qwen_ws_url"] + query
    async with connect(url, additional_headers=headers, ssl=context) as socket:
        return str(json.loads(await asyncio.wait_for(socket.recv(), 10))["type"])


async def mint(cloud: SimCloud, body: bytes) -> tuple[int, dict[str, Any]]:
    line = cloud.line
    return await asyncio.to_thread(post, line["qwen_token_url"], body, line["ca_file"])


async def test_the_api_key_opens_a_session(tmp_path: Path) -> None:
    async with SimCloud(tmp_path) as cloud:
        assert await first_event(cloud, cloud.line["api_key"]) == "session.created"
        connected = await cloud.wait_for("connect")
    assert connected["credential"] == "api-key"
    assert connected["model"] == "qwen3-omni-flash-realtime"


async def test_a_temporary_key_opens_sessions_until_it_expires(tmp_path: Path) -> None:
    rules = RealtimeRules(key_s=0.0)
    async with (
        SimCloud(tmp_path) as cloud,
        SimCloud(tmp_path / "second", scenario=Scenario(tables=(rules,))) as strict,
    ):
        status, answer = await mint(cloud, b'{"deviceName":"kitchen"}')
        assert status == 200
        assert 50 < answer["expires_at"] - time.time() <= 60
        assert await first_event(cloud, answer["token"]) == "session.created"
        assert (await cloud.wait_for("connect"))["device_name"] == "kitchen"
        _, expired = await mint(strict, b'{"deviceName":"kitchen"}')
        with pytest.raises(InvalidStatus, match="401"):
            await first_event(strict, expired["token"])


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"deviceName":7}', b'{"deviceName":""}'])
async def test_a_key_is_for_a_device(tmp_path: Path, body: bytes) -> None:
    async with SimCloud(tmp_path) as cloud:
        assert (await mint(cloud, body))[0] == 400


@pytest.mark.parametrize(
    ("key", "query", "status"),
    [
        (lambda _: "sk-wrong", MODEL, "401"),
        (lambda cloud: cloud.line["api_key"], "", "400"),
        (lambda cloud: cloud.line["api_key"], MODEL + "&model=two", "400"),
    ],
)
async def test_others_are_refused_at_the_upgrade(
    tmp_path: Path, key: Callable[[SimCloud], str], query: str, status: str
) -> None:
    async with SimCloud(tmp_path) as cloud:
        with pytest.raises(InvalidStatus, match=status):
            await first_event(cloud, key(cloud), query)


async def test_the_service_mints_keys_for_a_server_that_has_the_api_key(tmp_path: Path) -> None:
    async with SimCloud(tmp_path) as cloud:
        line = cloud.line

        async def ask(query: str, key: str) -> tuple[int, dict[str, Any]]:
            url = f"{line['dashscope_url']}/api/v1/tokens{query}"
            return await asyncio.to_thread(post, url, b"", line["ca_file"], key)

        status, minted = await ask("?expire_in_seconds=1800", line["api_key"])
        assert status == 200
        assert abs(minted["expires_at"] - time.time() - 1800) < 60
        assert await first_event(cloud, minted["token"]) == "session.created"
        _, minted = await ask("", line["api_key"])
        assert abs(minted["expires_at"] - time.time() - 60) < 60

        for key in ("", "sk-of-somebody-else", minted["token"]):
            status, refused = await ask("", key)
            assert (status, refused["code"]) == (401, "InvalidApiKey")
        for wrong in ("0", "1801", "", "x", "9" * 5000):
            status, refused = await ask(f"?expire_in_seconds={wrong}", line["api_key"])
            assert (status, refused["code"]) == (400, "InvalidParameter")
