"""Our way of sending sends what Alibaba's own client would send."""

from typing import Any

import pytest
from alibabacloud_bailianmodelonchip20240816 import models
from alibabacloud_bailianmodelonchip20240816.client import Client
from alibabacloud_tea_openapi import client as tea
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.request import DaraRequest
from darabonba.response import DaraResponse

from mmid_relay.settings import Alibaba
from mmid_relay.vendors.alibaba import LicenseApi
from mmid_relay.vendors.upstream import Answer

_FIELDS = {
    "appId": "mm_0123",
    "deviceName": "radio-1",
    "nonce": "a" * 26,
    "requestTime": "1753344478377",
    "signature": "abc+/0== ~*",
    "tokenType": "MMI",
}


class Keeps:
    """An upstream that sends nothing."""

    name = "alibaba"
    sent: tuple[str, dict[str, str], bytes]

    async def post(self, url: str, *, headers: dict[str, str], content: bytes) -> Answer:
        self.sent = (url, headers, content)
        return Answer(200, {})


@pytest.mark.parametrize("endpoint", ["pop.example.com", "localhost:8443"])
@pytest.mark.parametrize("what", ["register", "token"])
async def test_a_request_is_byte_for_byte_the_clients_own(
    endpoint: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Utils, "get_timestamp", staticmethod(lambda: "2026-11-28T00:00:00Z"))
    monkeypatch.setattr(Utils, "get_nonce", staticmethod(lambda: "once"))
    settings = Alibaba.model_validate(
        {
            "endpoint": f"https://{endpoint}",
            "access_key_id": "LTAI",
            "access_key_secret": "secret",
            "token_key": "sk",
        }
    )
    ours = Keeps()
    api = LicenseApi(settings, ours)  # type: ignore[arg-type]
    await (api.register(_FIELDS) if what == "register" else api.token(_FIELDS))
    url, headers, content = ours.sent
    theirs = await _sent_by_the_client(endpoint, what, monkeypatch)
    assert url == f"https://{endpoint}{theirs.pathname}"
    assert content.decode() == theirs.body
    own = {name: value for name, value in theirs.headers.items() if "provider" not in name}
    assert headers.keys() == own.keys()
    signed = "Authorization"
    assert {n: v for n, v in headers.items() if n != signed} == {
        n: v for n, v in own.items() if n != signed
    }


async def _sent_by_the_client(
    endpoint: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> DaraRequest:
    """Return what Alibaba's client hands to its own transport."""
    sent: list[DaraRequest] = []

    async def keep(request: DaraRequest, _: Any) -> DaraResponse:
        sent.append(request)
        answer = DaraResponse()
        answer.status_code, answer.headers, answer.body = 200, {}, b"{}"
        return answer

    monkeypatch.setattr(tea.DaraCore, "async_do_action", staticmethod(keep))
    config = Config(
        endpoint=endpoint, access_key_id="LTAI", access_key_secret="secret", region_id="cn-beijing"
    )
    client = Client(config)
    if what == "register":
        await client.device_register_async(models.DeviceRegisterRequest().from_map(_FIELDS))
    else:
        fields = {**_FIELDS, "tokenKey": "sk"}
        await client.get_token_async(models.GetTokenRequest().from_map(fields))
    return sent[0]
