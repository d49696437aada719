"""What a device is told of a vendor's refusal."""

import logging
from typing import Any

import pytest

from mmid_relay.vendors.replies import license_reply
from mmid_relay.vendors.upstream import Answer
from tests.rig import INSTANCE_BODY, SECRETS, Board, Vendor


@pytest.mark.parametrize("code", ["100008", 100008])
@pytest.mark.parametrize("success", [False, "false", None])
@pytest.mark.parametrize("status", [200, 400])
async def test_a_devices_refusal_passes_with_its_code_and_words(
    board: Board, vendor: Vendor, code: str | int, success: Any, status: int
) -> None:
    vendor.status = status
    vendor.body = {"code": code, "success": success, "message": "registered", "requestId": "R-2"}
    answer = await board.register()
    assert answer.status_code == status
    assert answer.json() == {
        "code": "100008",
        "success": False,
        "message": "registered",
        "data": None,
        "requestId": "R-2",
    }
    line = board.lines[-1]
    assert (line["result"], line["vendor_code"]) == ("refused", "100008")


async def test_a_devices_refusal_with_the_status_of_a_servers_fault_is_502(
    board: Board, vendor: Vendor
) -> None:
    vendor.body = {"code": "300002", "success": False, "message": "no token"}
    for vendor.status in (401, 403, 500):
        answer = await board.get_token()
        assert (answer.status_code, answer.json()["code"]) == (502, "300002")
        assert answer.headers["retry-after"] == "30"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "SignatureDoesNotMatch"),
        (404, "InvalidAccessKeyId.NotFound"),
        (403, "Forbidden.RAM"),
        (200, "UNKNOWN"),
    ],
)
async def test_a_refusal_of_the_relay_itself_tells_the_device_no_more_than_its_code(
    board: Board, vendor: Vendor, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.status = status
    vendor.body = {"Code": code, "Message": "server string to sign is:POST ...", "RequestId": "R"}
    answer = await board.register()
    assert answer.status_code == 502
    assert answer.json()["code"] == code
    assert "string to sign" not in answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert board.lines[-1]["result"] == "relay-refused"
    assert "string to sign" in caplog.text


@pytest.mark.parametrize("path", ["/v1/qwen/token", "/v1/baidu/instance"])
async def test_a_key_that_is_refused_is_no_refusal_of_the_device(
    board: Board, vendor: Vendor, path: str
) -> None:
    body = INSTANCE_BODY if "baidu" in path else {"deviceName": "radio-1"}
    vendor.status, vendor.body = 401, {"code": "InvalidApiKey", "message": "x", "request_id": "R"}
    answer = await board.post(path, body)
    assert answer.status_code == 502
    assert (answer.json()["code"], answer.json()["requestId"]) == ("InvalidApiKey", "R")


async def test_a_vendor_that_wants_quiet_is_503(board: Board, vendor: Vendor) -> None:
    vendor.status, vendor.body = 429, {"code": "Throttling.RateQuota", "message": "slow down"}
    answer = await board.post("/v1/qwen/token", {"deviceName": "radio-1"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


def test_secrets_are_taken_out_of_a_vendors_words(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    words = f"the key {SECRETS['token_key']} is\nwrong\x1b[31m"
    document = {"code": "300002", "success": False, "message": words + "x" * 999}
    reply = license_reply(Answer(200, document), [SECRETS["token_key"]])
    assert reply.body["message"].startswith("the key *** is wrong [31mxxx")
    assert len(reply.body["message"]) == 200
    assert SECRETS["token_key"] not in caplog.text


def test_a_code_that_is_none_is_not_repeated() -> None:
    document = {"code": "<script>", "success": False, "message": "x"}
    with pytest.raises(Exception, match="with no code"):
        license_reply(Answer(200, document), [])
