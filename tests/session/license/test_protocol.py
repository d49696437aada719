"""Requests have the vendor's form to the byte; replies are read leniently and checked strictly."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from mmid.child import from_plain, to_plain
from mmid.errors import MalformedMessage
from mmid.secrets import Secret
from mmid.session.license.codec import CodecParameters, Context, Message, compact, seal, unseal
from mmid.session.license.messages import (
    ExchangeRequest,
    HttpsEndpoint,
    Identity,
    Kind,
    Refusal,
    Registration,
    Token,
    make_nonce,
)
from mmid.session.license.protocol import envelope_data, open_reply, request_body

APP_ID = "mm_0123456789abcdef0123456789ab"
API_KEY = Secret("sk-0123456789abcdef0123456789abcdef")
REQUEST_NONCE = "000102030405060708090a0b0c"
NOW_MS = 1_795_132_800_000
SECRET = "ffeeddccbbaa99887766554433221100"
TOKEN = "st-00112233445566778899aabbccddeeff"


def request(
    kind: Kind,
    name: str = "board1",
    api_key: Secret | None = None,
    workspace_id: str = "",
) -> ExchangeRequest:
    app_secret = Secret("00112233445566778899aabbccddeeff")
    identity = Identity(APP_ID, app_secret, name, Secret(SECRET))
    return ExchangeRequest(
        kind, HttpsEndpoint("https://a/b"), identity, REQUEST_NONCE, NOW_MS, api_key, workspace_id
    )


def reply(asked: ExchangeRequest, fields: Mapping[str, Any], **clear: Any) -> dict[str, Any]:
    """Return the ``data`` of an answer that carries the fields."""
    message = Message.TOKEN_REPLY if asked.kind is Kind.TOKEN else Message.REGISTER_REPLY
    context = Context(message, asked.identity, asked.nonce, make_nonce(), str(NOW_MS))
    return {
        "nonce": context.reply_nonce,
        "responseTime": context.time_ms,
        "appId": APP_ID,
        "deviceName": asked.identity.device_name,
        "signature": seal(context, fields),
    } | clear


@pytest.mark.parametrize(
    ("kind", "name_length", "api_key", "body_bytes"),
    [
        (Kind.TOKEN, 47 - 31, None, 420),
        (Kind.TOKEN, 37 - 31, API_KEY, 462),
        (Kind.REGISTER, 37 - 31, None, 356),
        (Kind.REGISTER, 48 - 31, None, 383),
    ],
)
def test_a_request_has_the_length_of_the_vendor_s_logs(
    kind: Kind, name_length: int, api_key: Secret | None, body_bytes: int
) -> None:
    assert len(compact(request_body(request(kind, "n" * name_length, api_key)))) == body_bytes


def test_the_keys_of_a_request_stand_in_the_vendor_s_order() -> None:
    common = ["appId", "deviceName", "nonce", "requestTime", "sdkVersion"]
    assert list(request_body(request(Kind.REGISTER))) == [*common, "signature"]
    assert list(request_body(request(Kind.TOKEN))) == [*common, "tokenType", "signature"]


@pytest.mark.parametrize("api_key", [API_KEY, None], ids=["fully-managed", "semi-managed"])
def test_the_api_key_is_sealed_into_a_token_request_of_a_fully_managed_device(
    api_key: Secret | None,
) -> None:
    asked = request(Kind.TOKEN, api_key=api_key)
    body = request_body(asked)
    context = Context(Message.TOKEN_REQUEST, asked.identity, asked.nonce)
    expected = {
        "appId": APP_ID,
        "deviceName": "board1",
        "payMode": "LICENSE",
        "requestTime": str(NOW_MS),
        "sdkVersion": "1.1.0",
        "tokenType": "MMI",
    }
    sealed = unseal(context, body["signature"])
    assert sealed == expected | ({"apiKey": API_KEY.reveal()} if api_key else {})
    assert API_KEY.reveal() not in json.dumps(body)


def test_the_api_key_never_goes_into_a_registration() -> None:
    asked = request(Kind.REGISTER, api_key=API_KEY)
    context = Context(Message.REGISTER_REQUEST, asked.identity, asked.nonce)
    assert "apiKey" not in unseal(context, request_body(asked)["signature"])


def test_a_workspace_s_quota_is_named_in_clear() -> None:
    body = request_body(request(Kind.REGISTER, workspace_id="llm-0123456789abcdef"))
    assert body["workspaceId"] == "llm-0123456789abcdef"


def test_bare_data_and_a_whole_envelope_are_the_same() -> None:
    data = {"nonce": "n", "signature": "s"}
    envelope = {"code": 200, "success": True, "message": "success", "data": data}
    assert envelope_data(data) == data
    assert envelope_data(envelope) == data
    assert envelope_data(envelope | {"code": "200", "success": "true"}) == data
    assert envelope_data({"data": data}) == data


@pytest.mark.parametrize(
    "document",
    [
        {"code": 100007, "success": False, "message": "no quota", "requestId": "r1"},
        {"code": "100007", "success": "false", "message": "no quota", "requestId": "r1"},
        {"code": "100007", "message": "no quota", "requestId": "r1", "data": None},
        {"code": 100007, "success": False, "message": "no quota", "requestId": "r1", "data": {}},
    ],
)
def test_a_refusal_is_read_in_every_shape_it_may_have(document: dict[str, Any]) -> None:
    assert envelope_data(document) == Refusal("100007", "no quota", "r1")


def test_a_refusal_s_words_are_one_short_line() -> None:
    refusal = envelope_data(
        {"code": "1", "success": False, "message": "a\nb\x1b[31m" + "so " * 333}
    )
    assert isinstance(refusal, Refusal)
    assert refusal.message.startswith("a b [31mso so")
    assert len(refusal.message) == 300


@pytest.mark.parametrize(
    "document",
    [None, [], "x", 7, {}, {"success": True}, {"success": True, "data": []}, {"success": False},
     {"code": None, "success": False}, {"code": True, "success": False}, {"signature": 7}],
)  # fmt: skip
def test_what_is_neither_data_nor_refusal_is_malformed(document: object) -> None:
    with pytest.raises(MalformedMessage):
        envelope_data(document)


def test_a_registration_yields_the_device_secret() -> None:
    asked = request(Kind.REGISTER)
    data = reply(asked, {"appId": APP_ID, "deviceSecret": SECRET, "news": [1]}, more="yes")
    registration = open_reply(asked, data)
    assert registration == Registration(
        Secret(SECRET), data["nonce"], NOW_MS, request_nonce=asked.nonce
    )
    assert SECRET not in repr(registration)


@pytest.mark.parametrize("workspace_id", ["\ud800", "w" * 65, "a b", [], None])
def test_a_strange_workspace_does_not_cost_the_registration(workspace_id: object) -> None:
    asked = request(Kind.REGISTER)
    escaped = CodecParameters(plaintext=lambda fields: json.dumps(fields).encode())
    fields = {"deviceSecret": SECRET, "workspaceId": workspace_id}
    context = Context(Message.REGISTER_REPLY, asked.identity, asked.nonce, make_nonce())
    data = reply(asked, {}) | {
        "nonce": context.reply_nonce,
        "signature": seal(context, fields, escaped),
    }
    registration = open_reply(asked, data)
    assert isinstance(registration, Registration)
    assert registration.device_secret == Secret(SECRET)
    assert registration.workspace_id == ""


@pytest.mark.parametrize("secret", ["", "short", None, 7, "g" * 32, "0" * 33])
def test_a_registration_without_a_proper_secret_is_malformed(secret: object) -> None:
    asked = request(Kind.REGISTER)
    with pytest.raises(MalformedMessage, match="no device secret"):
        open_reply(asked, reply(asked, {"deviceSecret": secret}))


@pytest.mark.parametrize(
    ("expiry", "seconds_from_now"),
    [
        ({}, 60),
        ({"expireTime": str(NOW_MS + 30_000)}, 30),
        ({"expireTime": NOW_MS + 30_000}, 30),
        ({"expiresAt": (NOW_MS + 30_000) // 1000}, 30),
        ({"expiresIn": 30}, 30),
        ({"expireTime": NOW_MS + 3_600_000}, 60),
        ({"expireTime": "tomorrow"}, 60),
        ({"expireTime": True}, 60),
        ({"expireTime": NOW_MS - 1000}, -1),
    ],
)
def test_a_token_is_trusted_as_long_as_it_says_but_never_longer_than_a_minute(
    expiry: dict[str, Any], seconds_from_now: int
) -> None:
    asked = request(Kind.TOKEN)
    token = open_reply(asked, reply(asked, {"dashToken": TOKEN, "workspaceId": "llm-1"} | expiry))
    assert isinstance(token, Token)
    assert token.token == Secret(TOKEN)
    assert token.workspace_id == "llm-1"
    assert token.expires_ms == NOW_MS + seconds_from_now * 1000


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("203.0.113.7, 10.0.0.1", ""),
        ("x" * 100_000, ""),
        (None, ""),
        (7, ""),
        (["203.0.113.7"], ""),
    ],
)
def test_the_address_that_the_service_saw_us_at_is_kept_if_it_is_one(
    said: object, kept: str
) -> None:
    asked = request(Kind.TOKEN)
    token = open_reply(asked, reply(asked, {"dashToken": TOKEN}, requestIp=said))
    assert isinstance(token, Token)
    assert token.request_ip == kept


@pytest.mark.parametrize("token", [None, "", 7, "with space", "with\r\nbreak", "t" * 1025])
def test_a_token_that_does_not_fit_into_a_header_is_malformed(token: object) -> None:
    asked = request(Kind.TOKEN)
    with pytest.raises(MalformedMessage, match="no token"):
        open_reply(asked, reply(asked, {"dashToken": token}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"clear": {"appId": "mm_1"}},
        {"clear": {"deviceName": "board2"}},
        {"clear": {"deviceName": None}},
        {"sealed": {"appId": "mm_1"}},
        {"sealed": {"deviceName": "board2"}},
    ],
)
def test_an_answer_for_another_device_is_refused(wrong: dict[str, dict[str, Any]]) -> None:
    asked = request(Kind.REGISTER)
    fields = {"deviceSecret": SECRET} | wrong.get("sealed", {})
    with pytest.raises(MalformedMessage, match="is not ours"):
        open_reply(asked, reply(asked, fields, **wrong.get("clear", {})))


def test_an_answer_that_names_nobody_is_refused() -> None:
    asked = request(Kind.REGISTER)
    data = reply(asked, {"deviceSecret": SECRET})
    del data["deviceName"]
    with pytest.raises(MalformedMessage, match="deviceName is not ours"):
        open_reply(asked, data)


@pytest.mark.parametrize("name", ["nonce", "responseTime", "signature"])
@pytest.mark.parametrize("value", [None, "", [], {}, True, "x y"])
def test_an_answer_with_a_wrong_field_is_malformed(name: str, value: object) -> None:
    asked = request(Kind.REGISTER)
    with pytest.raises(MalformedMessage):
        open_reply(asked, reply(asked, {"deviceSecret": SECRET}, **{name: value}))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("api_key", [API_KEY, None])
def test_a_request_crosses_the_pipe_unchanged(kind: Kind, api_key: Secret | None) -> None:
    asked = request(kind, api_key=api_key, workspace_id="llm-1")
    assert from_plain(ExchangeRequest, json.loads(json.dumps(to_plain(asked)))) == asked
    assert SECRET not in repr(asked)


@pytest.mark.parametrize(
    "answer",
    [
        Registration(Secret(SECRET), "n", NOW_MS, "llm-1", -7),
        Token(Secret(TOKEN), NOW_MS, "n", NOW_MS),
        Refusal("100007", "no quota", "r1", 3),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_a_reply_crosses_the_pipe_unchanged(answer: Registration | Token | Refusal) -> None:
    assert from_plain(type(answer), json.loads(json.dumps(to_plain(answer)))) == answer


def test_nonces_are_26_hex_characters_and_differ() -> None:
    nonces = {make_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert {len(bytes.fromhex(nonce)) for nonce in nonces} == {13}
