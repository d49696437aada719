"""The door for a vendor's own server is as strict as the one for devices.

That Alibaba's own client gets through it is shown by tests/session/license/test_semi_managed.py.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from mmid.errors import CloudRefused
from mmid.secrets import Secret
from mmid.session.license.messages import (
    ExchangeRequest,
    HttpsEndpoint,
    Identity,
    Kind,
    Registration,
    Token,
    make_nonce,
)
from mmid.session.license.protocol import open_reply, request_body
from mmid.simcloud.core.product import Product
from mmid.simcloud.license.book import LicenseBook
from mmid.simcloud.license.pop import gateway_error, grant, pop_envelope, read_form

PRODUCT = Product(
    app_id="mm_0123456789abcdef0123456789ab",
    app_secret=Secret("00112233445566778899aabbccddeeff"),
    api_key=Secret("sk-0123456789abcdef0123456789abcdef"),
    workspace_id="llm-0123456789abcdef",
)
BOARD = Identity(PRODUCT.app_id, PRODUCT.app_secret, "board1")
DROPPED = {Kind.REGISTER: {"deviceName", "sdkVersion"}, Kind.TOKEN: {"sdkVersion"}}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def relayed(book: LicenseBook, asked: ExchangeRequest, **changes: str) -> Registration | Token:
    """Have a device's request relayed, and return what the device makes of the answer."""
    body = request_body(asked)
    fields = {name: body[name] for name in body.keys() - DROPPED[asked.kind]}
    if asked.kind is Kind.TOKEN:
        fields["tokenKey"] = PRODUCT.api_key.reveal()
    form = read_form(asked.kind, urlencode(fields | changes).encode())
    return open_reply(asked, grant(book, asked.kind, form, now_ms(), "192.0.2.1"))


def request(kind: Kind, device: Identity = BOARD, **changes: Any) -> ExchangeRequest:
    return replace(
        ExchangeRequest(kind, HttpsEndpoint(""), device, make_nonce(), now_ms()), **changes
    )


def registered(book: LicenseBook) -> Identity:
    registration = relayed(book, request(Kind.REGISTER))
    assert isinstance(registration, Registration)
    return replace(BOARD, device_secret=registration.device_secret)


def test_a_device_behind_a_relay_registers_and_gets_a_token() -> None:
    book = LicenseBook(PRODUCT)
    token = relayed(book, request(Kind.TOKEN, registered(book)))
    assert isinstance(token, Token)
    assert book.token_valid(token.token.reveal(), now_ms()) == "board1"


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        (Kind.REGISTER, {"signature": "AAAAAAAA"}, "500002"),
        (Kind.REGISTER, {"appId": "mm_00"}, "500002"),
        (Kind.REGISTER, {"deviceName": "board1"}, "400"),
        (Kind.TOKEN, {"tokenKey": "sk-of-somebody-else"}, "300002"),
        (Kind.TOKEN, {"deviceName": "board2"}, "100009"),
        (Kind.TOKEN, {"sdkVersion": "1.1.0"}, "400"),
    ],
)
def test_what_a_relay_must_not_do_is_refused(
    kind: Kind, changes: Mapping[str, str], code: str
) -> None:
    book = LicenseBook(PRODUCT)
    device = registered(book) if kind is Kind.TOKEN else BOARD
    with pytest.raises(CloudRefused) as caught:
        relayed(book, request(kind, device), **changes)
    assert caught.value.code == code


def test_a_device_that_seals_the_api_key_is_not_semi_managed() -> None:
    book = LicenseBook(PRODUCT)
    device = registered(book)
    with pytest.raises(CloudRefused, match="too many or too few fields: 'apiKey'"):
        relayed(book, request(Kind.TOKEN, device, api_key=PRODUCT.api_key))


def test_a_device_registers_once_through_whichever_door() -> None:
    book = LicenseBook(PRODUCT)
    book.register(request_body(request(Kind.REGISTER)), now_ms())
    with pytest.raises(CloudRefused) as caught:
        relayed(book, request(Kind.REGISTER))
    assert caught.value.code == "100008"


@pytest.mark.parametrize("content", [b"", b"{}", b"appId", b"a=1", b"appId=\xff"])
def test_what_is_no_form_of_the_api_is_refused(content: bytes) -> None:
    with pytest.raises(CloudRefused) as caught:
        read_form(Kind.REGISTER, content)
    assert caught.value.code == "400"


def test_the_answer_has_the_types_that_the_api_declares() -> None:
    error = CloudRefused("device already registered", "100008")
    assert pop_envelope(None, error, error.code) == {
        "code": "100008",
        "httpStatusCode": 200,
        "message": "device already registered",
        "success": False,
        "data": None,
    }


def test_the_gateway_has_a_shape_of_its_own_for_errors() -> None:
    error = CloudRefused("Specified access key is not found.", "InvalidAccessKeyId.NotFound")
    status, document = gateway_error(error, "bailianmodelonchip.cn-beijing.aliyuncs.com")
    assert status == 400
    assert document.keys() == {"RequestId", "HostId", "Code", "Message", "Recommend"}
    assert document["Code"] == "InvalidAccessKeyId.NotFound"
    assert gateway_error(CloudRefused("", "InvalidApi.NotFound"), "")[0] == 404
