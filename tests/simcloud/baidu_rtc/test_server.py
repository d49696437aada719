"""Instances, who may open them, and what a licence has cost, over real sockets."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from mmid.simcloud.baidu_rtc.server import RtcServer
from mmid.simcloud.baidu_rtc.vocabulary import RtcRules
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.scenario import Fault, Scenario
from mmid.simcloud.core.voice import phrase
from tests.simcloud.baidu_rtc.witness import DEVICE, Witness, post, take_instance
from tests.simcloud.qwen_realtime.talk import tone


def quick(**rules: Any) -> Scenario:
    return Scenario(thinking_ms=1, pace=0, tables=(RtcRules(**rules),))


def refusals(cloud: SimCloud) -> list[str]:
    return [entry["reason"] for entry in cloud.journal.entries if entry["kind"] == "refusal"]


async def hold_dialog(cloud: SimCloud, device: str = DEVICE) -> None:
    """Hold one dialog, from the instance to its end."""
    instance = await take_instance(cloud.line, device=device)
    async with Witness.connect(cloud.line, instance) as witness:
        assert await witness.activate(device) == "[E]:[LIC]:[RES]:[PASS]:"
    await cloud.wait_for("disconnect")
    cloud.journal.entries.clear()


async def test_a_whole_dialog(tmp_path: Path) -> None:
    async with SimCloud(tmp_path, scenario=quick()) as cloud:
        instance = await take_instance(cloud.line)
        async with Witness.connect(cloud.line, instance) as witness:
            assert await witness.activate() == "[E]:[LIC]:[RES]:[PASS]:"
            await witness.hold_press()
        assert "[Q]:what is the weather like today" in witness.texts
        assert witness.reply == phrase(16_000) == cloud.said[-1]
        assert cloud.heard[-1] == tone(0.2)
        status, _ = await asyncio.to_thread(
            post, instance["stop_url"], {"deviceName": DEVICE}, cloud.line["ca_file"]
        )
        assert status == 200
        assert (await cloud.wait_for("stop-instance"))["known"]
        assert refusals(cloud) == []


async def test_an_activation_is_counted_once_a_device_and_outlives_the_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "devices.json"
    for device in (DEVICE, DEVICE, DEVICE.upper()):
        async with SimCloud(tmp_path, scenario=quick(), state_file=state) as cloud:
            await hold_dialog(cloud, device)
            await hold_dialog(cloud, device)
    assert [text for text in caplog.messages if "used up" in text] == [
        "device 'board-0001' has used up activation 1",
        "device 'BOARD-0001' has used up activation 2",
    ]
    kept = json.loads((tmp_path / "baidu-activations.json").read_text())["activations"]
    assert [(one["devId"], one["connections"]) for one in kept] == [
        ("board-0001", 4),
        ("BOARD-0001", 2),
    ]
    assert cloud.find(RtcServer).activations.used == 2


async def test_who_may_not_talk_is_told_so_and_costs_nothing(tmp_path: Path) -> None:
    async with SimCloud(tmp_path, scenario=quick(quota=1)) as cloud:
        await hold_dialog(cloud)
        for device, key, why in (
            ("another", "", "no activations left"),
            (DEVICE, "wrong", "no such license"),
        ):
            instance = await take_instance(cloud.line)
            async with Witness.connect(cloud.line, instance) as witness:
                told = await witness.activate(device, key)
                assert told == f"[E]:[LIC]:[RES]:[FAILED]:{why}"
        assert cloud.find(RtcServer).activations.used == 1


async def test_a_scenario_refuses_everybody(tmp_path: Path) -> None:
    async with SimCloud(tmp_path, scenario=quick(refuse="expired")) as cloud:
        instance = await take_instance(cloud.line)
        async with Witness.connect(cloud.line, instance) as witness:
            assert await witness.activate() == "[E]:[LIC]:[RES]:[FAILED]:expired"
        assert cloud.find(RtcServer).activations.used == 0


async def test_two_connections_of_one_device_are_one_too_many(tmp_path: Path) -> None:
    async with SimCloud(tmp_path, scenario=quick()) as cloud:
        instances = [await take_instance(cloud.line) for _ in range(2)]
        async with (
            Witness.connect(cloud.line, instances[0]) as one,
            Witness.connect(cloud.line, instances[1]) as other,
        ):
            for witness in (one, other):
                assert await witness.activate() == "[E]:[LIC]:[RES]:[PASS]:"
        assert refusals(cloud) == ["a second connection of one device"]
        await hold_dialog(cloud)
        assert refusals(cloud) == []


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"id": "1"}, "id is of no instance"),
        ({"a": "app0"}, "a is not the app of the instance"),
        ({"t": "x"}, "t is not the token of the instance"),
        ({"ac": "raw"}, "ac='raw' but the instance has audiocodec 'raw16k'"),
        ({"ac": "opus"}, "opus needs plen: 20, 40, 60"),
        ({"ak": "key", "sk": "secret"}, "the URL has ak, sk"),
        ({"plen": "20"}, "the URL has plen"),
    ],
)
async def test_a_wrong_url_opens_and_breaks_without_a_word(
    tmp_path: Path, wrong: dict[str, str], reason: str
) -> None:
    async with SimCloud(tmp_path, scenario=quick()) as cloud:
        instance = await take_instance(cloud.line)
        async with Witness.connect(cloud.line, instance, **wrong) as witness:
            with pytest.raises(ConnectionClosedError) as closed:
                await witness.until("")
        assert closed.value.rcvd is None
        await cloud.wait_for("refusal")
        assert refusals(cloud) == [reason]


async def test_a_header_that_no_client_sends_opens_nothing(tmp_path: Path) -> None:
    async with SimCloud(tmp_path, scenario=quick()) as cloud:
        instance = await take_instance(cloud.line)
        headers = {"Authorization": "Bearer x"}
        async with Witness.connect(cloud.line, instance, headers) as witness:
            with pytest.raises(ConnectionClosedError):
                await witness.until("")
        await cloud.wait_for("refusal")
        assert refusals(cloud) == ["no client sends Authorization"]


async def test_an_instance_is_used_once_and_never_after_it_was_stopped(tmp_path: Path) -> None:
    async with SimCloud(tmp_path, scenario=quick()) as cloud:
        used, stopped = [await take_instance(cloud.line) for _ in range(2)]
        async with Witness.connect(cloud.line, used) as witness:
            await witness.activate()
        told = {"deviceName": DEVICE}
        for known in (200, 404):
            url, ca_file = stopped["stop_url"], cloud.line["ca_file"]
            assert (await asyncio.to_thread(post, url, told, ca_file))[0] == known
        for instance in (used, stopped):
            async with Witness.connect(cloud.line, instance) as witness:
                with pytest.raises(ConnectionClosedError):
                    await witness.until("")
        await cloud.wait_for("refusal", nth=2)
        assert refusals(cloud) == ["id and t were used before", "id is of no instance"]


async def test_an_instance_comes_bare_or_wrapped_with_an_id_of_either_kind(tmp_path: Path) -> None:
    async with SimCloud(tmp_path / "bare", scenario=quick(stop_url=False)) as cloud:
        bare = await take_instance(cloud.line)
    assert bare.keys() == {"ai_agent_instance_id", "instance_type", "context"}
    number = bare["ai_agent_instance_id"]
    assert 2**62 < number < 2**63
    assert int(float(number)) != number
    scenario = quick(wrapped=True, id_text=True, url=True)
    async with SimCloud(tmp_path / "wrapped", scenario=scenario) as cloud:
        wrapped = (await take_instance(cloud.line))["data"]
        assert wrapped["ai_agent_instance_id"].isdecimal()
        assert wrapped["url"] == cloud.line["baidu_ws_url"]
        async with Witness.connect(cloud.line, wrapped) as witness:
            assert await witness.activate() == "[E]:[LIC]:[RES]:[PASS]:"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        [],
        {"deviceName": "", "codec": "raw16k", "mode": "duplex"},
        {"deviceName": "d", "codec": "mp3", "mode": "duplex"},
        {"deviceName": "d", "codec": ["raw16k"], "mode": "duplex"},
        {"deviceName": "\ud800", "codec": "raw16k", "mode": "duplex"},
        {"deviceName": "d", "codec": "raw16k", "mode": "always"},
    ],
)
async def test_a_wish_for_an_instance_must_be_whole(tmp_path: Path, asked: object) -> None:
    async with SimCloud(tmp_path) as cloud:
        url, ca_file = cloud.line["baidu_instance_url"], cloud.line["ca_file"]
        assert (await asyncio.to_thread(post, url, asked, ca_file))[0] == 400


async def test_the_instance_is_refused_or_late_where_the_scenario_wants_it(tmp_path: Path) -> None:
    scenario = Scenario(faults=(Fault("instance", "http:403"),))
    async with SimCloud(tmp_path, scenario=scenario) as cloud:
        url, ca_file = cloud.line["baidu_instance_url"], cloud.line["ca_file"]
        told = {"deviceName": DEVICE, "codec": "raw16k", "mode": "duplex"}
        assert (await asyncio.to_thread(post, url, told, ca_file))[0] == 403
        assert (await asyncio.to_thread(post, url, told, ca_file))[0] == 200


async def test_no_secret_comes_into_the_journal(tmp_path: Path) -> None:
    async with SimCloud(tmp_path, scenario=quick(), record_dir=tmp_path / "heard") as cloud:
        instance = await take_instance(cloud.line)
        async with Witness.connect(cloud.line, instance) as witness:
            await witness.activate()
        await cloud.wait_for("disconnect")
    journal = (tmp_path / "heard" / "journal.jsonl").read_text()
    assert "activation" in journal
    assert cloud.line["baidu_license_key"] not in journal
    assert instance["context"]["token"][:32] not in journal
