"""What devices get, and what the vendors are asked for it."""

import json
from pathlib import Path

import pytest

from tests.rig import (
    INSTANCE_BODY,
    SECRETS,
    Board,
    Vendor,
    register_body,
    relay_for,
    settings_for,
    token_body,
)


async def test_a_registration_is_asked_without_the_name_and_answered_as_it_came(
    board: Board, vendor: Vendor
) -> None:
    answer = await board.register()
    assert answer.status_code == 200
    assert answer.json()["data"]["aNewField"] == "kept"
    assert answer.json()["success"] is True
    [call] = vendor.calls
    assert call.path == "/open/api/device/v1/register"
    assert set(call.form) == {"appId", "nonce", "requestTime", "signature"}
    assert call.headers["authorization"].startswith("ACS3-HMAC-SHA256 Credential=LTAI-ID,")


async def test_a_token_is_asked_with_the_key_that_no_device_has(
    board: Board, vendor: Vendor
) -> None:
    answer = await board.get_token()
    assert answer.json()["data"]["deviceName"] == "radio-1"
    assert answer.json()["success"] is True
    [call] = vendor.calls
    assert call.path == "/open/api/auth/v1/token/get"
    assert call.form["tokenKey"] == SECRETS["token_key"]
    assert "sdkVersion" not in call.form
    assert SECRETS["token_key"] not in answer.text


async def test_a_registration_may_name_a_workspace(board: Board, vendor: Vendor) -> None:
    await board.register(workspaceId="llm-0123456789abcdef")
    assert vendor.calls[0].form["workspaceId"] == "llm-0123456789abcdef"


async def test_a_temporary_key_is_made_of_the_servers(board: Board, vendor: Vendor) -> None:
    answer = await board.post("/v1/qwen/token", {"deviceName": "radio-1"})
    assert answer.json() == {"token": "st-0123456789", "expires_at": 1744080369}
    [call] = vendor.calls
    assert call.query == {"expire_in_seconds": "300"}
    assert call.headers["authorization"] == f"Bearer {SECRETS['api_key']}"


async def test_an_instance_is_made_for_codec_and_mode(
    board: Board, vendor: Vendor, tmp_path: Path, ca_file: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"asr_vad": 700, "audiocodec": "raw"}')
    async with relay_for(settings_for(vendor, ca_file, baidu={"config_file": str(config)})) as own:
        answer = await own.post("/v1/baidu/instance", {**INSTANCE_BODY, "mode": "duplex"})
    assert answer.json()["ai_agent_instance_id"] == 9007199254740993123
    assert answer.json()["context"] == {"cid": 7, "token": "instance-token"}
    [call] = vendor.calls
    body = json.loads(call.body)
    assert body["app_id"] == "app-1"
    assert json.loads(body["config"]) == {
        "asr_vad": 700,
        "audiocodec": "raw16k",
        "asr_long_audio_mode": False,
        "disable_voice_auto_int": False,
        "dfda": True,
    }
    assert call.headers["authorization"].startswith("bce-auth-v1/AK/")


async def test_only_the_flag_that_some_decoders_cannot_take_is_as_the_operator_says(
    vendor: Vendor, tmp_path: Path, ca_file: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"dfda": false, "disable_voice_auto_int": true}')
    found = []
    async with relay_for(settings_for(vendor, ca_file, baidu={"config_file": str(config)})) as own:
        for mode in ("duplex", "tap2talk"):
            await own.post("/v1/baidu/instance", {**INSTANCE_BODY, "mode": mode})
            made = json.loads(json.loads(vendor.calls[-1].body)["config"])
            found.append((made["dfda"], made["disable_voice_auto_int"]))
    assert found == [(False, False), (False, True)]


@pytest.mark.parametrize("as_text", [False, True])
async def test_an_instance_is_stopped_by_whom_it_was_given(
    board: Board, vendor: Vendor, as_text: bool
) -> None:
    made = (await board.post("/v1/baidu/instance", INSTANCE_BODY)).json()
    url, number = made["stop_url"], made["ai_agent_instance_id"]
    assert url.startswith("https://relay.example.com/v1/baidu/stop?proof=")
    body = {"deviceName": "radio-1", "ai_agent_instance_id": str(number) if as_text else number}
    answer = await board.post(url, body)
    assert answer.status_code == 200
    assert json.loads(vendor.calls[-1].body) == {"app_id": "app-1", "ai_agent_instance_id": number}


async def test_an_instance_is_not_stopped_by_another_device_or_under_another_number(
    board: Board, vendor: Vendor
) -> None:
    made = (await board.post("/v1/baidu/instance", INSTANCE_BODY)).json()
    url, number = made["stop_url"], made["ai_agent_instance_id"]
    other = Board(board.http, board.lines, "radio-2")
    answers = [
        await other.post(url, {"deviceName": "radio-2", "ai_agent_instance_id": number}),
        await board.post(url, {"deviceName": "radio-1", "ai_agent_instance_id": number + 1}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json()["title"] == "not yours"
    assert len(vendor.calls) == 1


async def test_a_host_that_is_none_gets_no_stop_url(board: Board) -> None:
    answer = await board.post("/v1/baidu/instance", INSTANCE_BODY, host="evil.example/x?")
    assert "stop_url" not in answer.json()


async def test_a_vendor_that_is_not_set_is_not_offered(vendor: Vendor, ca_file: Path) -> None:
    settings = settings_for(vendor, ca_file, alibaba=None, dashscope=None, baidu=None)
    async with relay_for(settings) as board:
        answers = [
            await board.register(),
            await board.get_token(),
            await board.post("/v1/qwen/token", {"deviceName": "radio-1"}),
            await board.post("/v1/baidu/instance", INSTANCE_BODY),
        ]
    assert [answer.json()["title"] for answer in answers] == ["not offered"] * 4
    assert {answer.status_code for answer in answers} == {404}


async def test_a_device_speaks_for_itself_only(board: Board, vendor: Vendor) -> None:
    other = "radio-2"
    answers = [
        await board.post("/v1/register", register_body(other)),
        await board.post("/v1/token", token_body(other)),
        await board.post("/v1/qwen/token", {"deviceName": other}),
        await board.post("/v1/baidu/instance", {**INSTANCE_BODY, "deviceName": other}),
        await board.post(
            f"/v1/baidu/stop?proof={'0' * 64}", {"deviceName": other, "ai_agent_instance_id": 1}
        ),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert not vendor.calls


async def test_a_registration_that_seals_anothers_name_is_withheld(
    board: Board, vendor: Vendor
) -> None:
    vendor.body = {
        "code": 200,
        "success": True,
        "data": {"deviceName": "radio-9", "signature": "x"},
    }
    answer = await board.register()
    assert answer.status_code == 403
    assert "signature" not in answer.text
