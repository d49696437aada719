"""``mmid-relay check``: what it says of keys, vendors and clock."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmid_relay.check import _check
from tests.rig import Vendor, serving, settings_for

Said = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return lambda: capsys.readouterr().out


async def test_all_is_well(vendor: Vendor, ca_file: Path, said: Said) -> None:
    assert await _check(settings_for(vendor, ca_file)) == 0
    assert [line.split(":")[0] for line in said().splitlines()] == [
        "ok     settings",
        "ok     devices",
        "ok     alibaba",
        "ok     dashscope",
        "ok     baidu",
    ]
    assert [call.path for call in vendor.calls] == [
        "/open/api/auth/v1/token/get",
        "/api/v1/tokens",
        "/api/v1/aiagent/stopAIAgentInstance",
    ]
    assert vendor.calls[1].query == {"expire_in_seconds": "1"}


async def test_a_device_that_does_not_exist_is_what_it_asks_for(
    vendor: Vendor, ca_file: Path, said: Said
) -> None:
    vendor.status, vendor.body = 400, {"code": "500002", "success": False, "message": "no"}
    settings = settings_for(vendor, ca_file, dashscope=None)
    assert await _check(settings) == 0
    assert "ok     alibaba: took our keys" in said()


@pytest.mark.parametrize(
    ("status", "code"), [(404, "InvalidAccessKeyId.NotFound"), (403, "AccessDenied")]
)
async def test_keys_that_are_refused_fail_it(
    vendor: Vendor, ca_file: Path, said: Said, status: int, code: str
) -> None:
    vendor.status, vendor.body = status, {"code": code, "message": "x"}
    assert await _check(settings_for(vendor, ca_file, baidu=None)) == 1
    text = said()
    assert f"FAILED alibaba: refused our keys or our account ({status} {code})" in text
    assert f"FAILED dashscope: refused our keys or our account ({status} {code})" in text


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "RequestExpired"])
async def test_a_signature_that_baidu_does_not_take_fails_it(
    vendor: Vendor, ca_file: Path, said: Said, code: str
) -> None:
    vendor.status, vendor.body = 400, {"code": code, "message": "x"}
    assert await _check(settings_for(vendor, ca_file, alibaba=None, dashscope=None)) == 1
    assert f"FAILED baidu: refused our keys or our account (400 {code})" in said()


async def test_an_instance_that_baidu_does_not_know_is_what_it_asks_for(
    vendor: Vendor, ca_file: Path, said: Said
) -> None:
    vendor.status, vendor.body = 404, {"code": "NoSuchInstance", "message": "x"}
    assert await _check(settings_for(vendor, ca_file, alibaba=None, dashscope=None)) == 0
    assert "ok     baidu: took our keys" in said()


async def test_a_clock_that_is_off_fails_it(authority: tuple[Path, Path], said: Said) -> None:
    vendor = Vendor(headers={"date": "Sat, 28 Nov 2020 10:00:00 GMT"})
    async with serving(vendor, authority[1], date_header=False) as vendor.port:
        assert await _check(settings_for(vendor, authority[0])) == 1
    assert "FAILED dashscope: took our keys; this clock is +" in said()


async def test_no_answer_of_a_vendor_ends_it_or_moves_the_terminal(
    authority: tuple[Path, Path], said: Said
) -> None:
    date = "Sat, 28 Nov 99999999999 10:00:00 GMT"
    vendor = Vendor(status=404, body={"code": "\x1b[2J"}, headers={"date": date})
    async with serving(vendor, authority[1], date_header=False) as vendor.port:
        settings = settings_for(vendor, authority[0], alibaba=None)
        assert await _check(settings) == 1
    text = said()
    assert "FAILED dashscope: refused our keys or our account (404)" in text
    assert "ok     baidu: took our keys; it does not tell the time" in text


async def test_a_vendor_that_is_away_fails_it(ca_file: Path, said: Said) -> None:
    assert await _check(settings_for(Vendor(port=1), ca_file)) == 1
    assert "FAILED baidu: baidu cannot be reached" in said()


async def test_nobody_to_ask_and_nobody_who_may_fail_it(
    vendor: Vendor, ca_file: Path, said: Said
) -> None:
    nothing = {"alibaba": None, "dashscope": None, "baidu": None}
    devices = {"fleet_keys": {}, "signing_key": ""}
    assert await _check(settings_for(vendor, ca_file, devices=devices, **nothing)) == 1
    text = said()
    assert "FAILED devices: no fleet_keys and no client_dn_header" in text
    assert "FAILED vendors: none is set" in text


async def test_a_header_for_certificates_that_nobody_is_believed_with_fails_it(
    vendor: Vendor, ca_file: Path, said: Said
) -> None:
    devices = {"fleet_keys": {}, "signing_key": ""}
    server = {"client_dn_header": "X-SSL-Client-S-DN"}
    assert await _check(settings_for(vendor, ca_file, devices=devices, server=server)) == 1
    assert "FAILED devices: client_dn_header is believed from nobody" in said()
    believed = {**server, "trusted_proxies": ["10.0.0.0/8"]}
    assert await _check(settings_for(vendor, ca_file, devices=devices, server=believed)) == 0
    assert "by certificate" in said()


async def test_a_store_that_is_away_fails_it(vendor: Vendor, ca_file: Path, said: Said) -> None:
    limits = {"store": "redis://127.0.0.1:1/0"}
    assert await _check(settings_for(vendor, ca_file, limits=limits)) == 1
    assert "FAILED store: does not answer" in said()
