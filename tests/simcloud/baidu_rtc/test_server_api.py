"""Baidu's server API in simcloud, asked by a server that signs as Baidu's pages say."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mmid.simcloud.baidu_rtc.server import RtcServer
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.scenario import Fault, Scenario
from tests.simcloud.baidu_rtc.bce_signer import authorization
from tests.simcloud.baidu_rtc.witness import Witness

GENERATE = "/api/v1/aiagent/generateAIAgentCall"
STOP = "/api/v1/aiagent/stopAIAgentInstance"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[SimCloud]:
    async with SimCloud(tmp_path) as made:
        yield made


async def ask(cloud: SimCloud, path: str, body: Any, secret_key: str = "") -> tuple[int, Any]:
    """Sign and send a request; return status and answer."""
    line = cloud.line
    where = urlsplit(line["baidu_api_url"])
    headers = {"host": where.netloc, "content-type": "application/json"}
    keys = line["baidu_access_key"], secret_key or line["baidu_secret_key"]
    headers["authorization"] = authorization(path, headers, keys, time.time(), "content-type;host")

    def send() -> tuple[int, Any]:
        context = ssl.create_default_context(cafile=line["ca_file"])
        to = HTTPSConnection(str(where.hostname), where.port, timeout=10, context=context)
        with closing(to):
            to.request("POST", path, json.dumps(body), headers)
            answer = to.getresponse()
            assert answer.getheader("x-bce-request-id")
            content = answer.read()
            return answer.status, json.loads(content) if content != b"nonsense" else None

    return await asyncio.to_thread(send)


def call(cloud: SimCloud, **config: Any) -> dict[str, Any]:
    config = {"audiocodec": "raw16k", "asr_long_audio_mode": True, **config}
    return {"app_id": cloud.line["baidu_app_id"], "config": json.dumps(config)}


async def test_what_a_server_makes_a_device_opens_and_the_server_stops(cloud: SimCloud) -> None:
    status, instance = await ask(cloud, GENERATE, call(cloud))
    assert status == 200
    assert instance["ai_agent_instance_id"] > 2**53
    async with Witness.connect(cloud.line, instance) as witness:
        assert await witness.activate() == "[E]:[LIC]:[RES]:[PASS]:"
    named = {"app_id": cloud.line["baidu_app_id"], **instance}
    assert await ask(cloud, STOP, named) == (200, {})
    for unknown in (named, {**named, "ai_agent_instance_id": "9" * 5000}):
        status, refused = await ask(cloud, STOP, unknown)
        assert (status, refused["code"]) == (404, "NoSuchInstance")
    journal = [entry["kind"] for entry in cloud.journal.entries]
    assert journal.count("instance") == 1
    assert journal.count("stop-instance") == 3


async def test_the_faults_of_a_scenario_strike_here_too(tmp_path: Path) -> None:
    faults = (Fault("instance", "http:500"), Fault("stop-instance", "body:nonsense"))
    async with SimCloud(tmp_path, scenario=Scenario(faults=faults)) as cloud:
        status, instance = await ask(cloud, GENERATE, call(cloud))
        assert status == 500
        named = {"app_id": cloud.line["baidu_app_id"], **instance}
        assert await ask(cloud, STOP, named) == (200, None)


async def test_a_stranger_is_refused_with_403_and_a_code(cloud: SimCloud) -> None:
    status, refused = await ask(cloud, GENERATE, call(cloud), secret_key="of somebody else")
    assert (status, refused["code"]) == (403, "SignatureDoesNotMatch")
    status, refused = await ask(cloud, STOP, {"app_id": "appother"})
    assert (status, refused["code"]) == (403, "AccessDenied")
    cloud.find(RtcServer).server_api.clock_offset_s = 2000.0
    status, refused = await ask(cloud, STOP, {})
    assert (status, refused["code"]) == (403, "RequestExpired")


@pytest.mark.parametrize(
    "config",
    [{"audiocodec": "raw16k"}, "{", "[]", '{"audiocodec":"mp3"}', '{"asr_long_audio_mode":1}'],
)
async def test_a_config_is_json_in_a_string_and_names_a_codec(cloud: SimCloud, config: Any) -> None:
    named = {"app_id": cloud.line["baidu_app_id"], "config": config}
    status, refused = await ask(cloud, GENERATE, named)
    assert (status, refused["code"]) == (400, "InappropriateJSON")


async def test_what_is_no_json_object_is_malformed(cloud: SimCloud) -> None:
    status, refused = await ask(cloud, GENERATE, [])
    assert (status, refused["code"]) == (400, "MalformedJSON")
