"""Whatever the OpenAPI document allows, and whatever it does not: schemathesis and hypothesis."""

import asyncio
import json
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import positive_data_acceptance

from mmid_relay.app import make_app
from mmid_relay.devices import device_token
from mmid_relay.settings import Settings
from mmid_relay.vendors.upstream import Answer, Upstream
from tests.rig import (
    INSTANCE_BODY,
    KEY,
    Call,
    Vendor,
    good_answer,
    register_body,
    settings_for,
    token_body,
)

_HEADERS = {"authorization": f"Bearer {device_token('radio-1', 'k1', bytes.fromhex(KEY))}"}


def _settings() -> Settings:
    limits = {"device_per_minute": 100_000, "total_per_minute": 1_000_000}
    return settings_for(Vendor(port=1), Path(certifi.where()), limits=limits)


_app = make_app(_settings(), audit=lambda _: None)
_schema = schemathesis.openapi.from_asgi("/openapi.json", _app)

_sent: list[str] = []
_hard = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def vendors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer in the vendors' place, without a network: there are thousands of requests."""

    async def answer(_: Upstream, url: str, headers: dict[str, str], content: bytes) -> Answer:
        _sent.append(url)
        return Answer(200, good_answer(Call(httpx.URL(url).path, {}, headers, content)))

    monkeypatch.setattr(Upstream, "_ask", answer)
    _sent.clear()


@_schema.parametrize()
@settings(_hard, max_examples=60)
def test_every_answer_is_one_that_the_document_names(case: schemathesis.Case[Any]) -> None:
    # 7.0 is an integer to JSON Schema, and not to us: an id of 64 bits fits into no float.
    floats: list[CheckFunction] = []
    if case.path.endswith("/stop"):
        floats.append(positive_data_acceptance)
    case.call_and_validate(headers=_HEADERS, excluded_checks=floats)


_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_good: dict[str, dict[str, Any]] = {
    "/v1/register": register_body(),
    "/v1/token": token_body(),
    "/v1/qwen/token": {"deviceName": "radio-1"},
    "/v1/baidu/instance": INSTANCE_BODY,
    f"/v1/baidu/stop?proof={'0' * 64}": {"deviceName": "radio-1", "ai_agent_instance_id": 1},
}


def _post(path: str, body: bytes) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(_app)
        async with httpx.AsyncClient(transport=transport, base_url="https://relay") as http:
            headers = {**_HEADERS, "content-type": "application/json"}
            return await http.post(path, content=body, headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize("path", _good)
@given(data=st.data())
@settings(_hard, max_examples=60)
def test_a_field_that_is_wrong_is_never_sent_on(path: str, data: st.DataObject) -> None:
    body = dict(_good[path])
    name = data.draw(st.sampled_from(sorted(body)) | st.text(max_size=8))
    original = body.get(name)
    body[name] = data.draw(_value)
    if body[name] == original or (body[name] is None and name == "sdkVersion"):
        return
    sent = len(_sent)
    answer = _post(path, json.dumps(body).encode())
    if answer.status_code == 200:
        # Another value that is as good: then it is what was sent.
        assert name != "deviceName"
        assert isinstance(body[name], str)
        return
    assert answer.status_code in {400, 403, 413, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(_sent) == sent


@pytest.mark.parametrize("path", _good)
@given(body=st.binary(max_size=200))
@settings(_hard, max_examples=30)
def test_bytes_that_are_no_body_are_never_sent_on(path: str, body: bytes) -> None:
    answer = _post(path, body)
    assert answer.status_code in {400, 422}
    assert not _sent
