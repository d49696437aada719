"""What the settings of the third cloud may be, and where its connections go."""

from dataclasses import replace
from typing import Any

import pytest

from mmid.secrets import Secret
from mmid.session.clouds import Opening, cloud_of, contradictions, with_own_rates
from mmid.session.effects import Close
from mmid.session.endpoint import ClosedUnheard
from mmid.session.instance import Instance
from mmid.settings import Baidu, Cloud, Dialog, License, Settings
from tests.session.dialects.baidu_rtc.connection import MUST, sent, told

RELAY = Baidu(
    instance_url="https://relay.example/v1/baidu/instance",
    license_key=Secret("lic-0123456789"),
    app_id="app1",
)
CLOUD = cloud_of("baidu-rtc")
NARROW = Dialog(us_sample_rate=8000, ds_sample_rate=8000)
OPUS = Dialog(
    upstream_mode="raw-opus",
    downstream_mode="raw-opus",
    us_sample_rate=48_000,
    ds_sample_rate=24_000,
)
KEYS = "AK and SK open the whole account"


def settings(**tables: Any) -> Settings:
    given: dict[str, Any] = {"cloud": Cloud(protocol="baidu-rtc"), "baidu": RELAY} | tables
    return with_own_rates(Settings(**given))


@pytest.mark.parametrize(
    ("dialog", "codec"),
    [
        (Dialog(), "ac=raw16k"),
        (NARROW, "ac=raw"),
        (OPUS, "ac=opus&plen=20"),
    ],
)
def test_a_connection_names_app_instance_token_and_codec(dialog: Dialog, codec: str) -> None:
    endpoint = CLOUD.endpoint(
        settings(dialog=dialog), Instance(Secret("t/+&=k"), 9_007_199_254_740_993)
    )
    place = "wss://rtc-aiotgw.exp.bcelive.com/v1/realtime"
    assert endpoint.url == f"{place}?a=app1&id=9007199254740993&t=t%2F%2B%26%3Dk&{codec}"
    assert endpoint.shown == place, "the query is in no message"
    assert (dict(endpoint.headers), endpoint.ping_s) == ({}, 10.0)
    assert "t%2F" not in repr(endpoint)


def test_the_instances_own_address_wins_over_that_of_the_settings() -> None:
    cloud = Cloud(protocol="baidu-rtc", ws_url="wss://mine.example/x")
    for url, place in (("", "wss://mine.example/x"), ("wss://hk.example/y", "wss://hk.example/y")):
        endpoint = CLOUD.endpoint(settings(cloud=cloud), Instance(Secret("t"), 1, url))
        assert endpoint.url.startswith(f"{place}?a=app1&")


@pytest.mark.parametrize("dialog", [Dialog(), OPUS, NARROW])
def test_settings_that_are_complete_have_no_contradiction(dialog: Dialog) -> None:
    assert not list(contradictions(settings(dialog=dialog)))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"dialog": Dialog(us_sample_rate=48_000)}, "dialog.us_sample_rate"),
        ({"dialog": Dialog(ds_sample_rate=8000)}, "dialog.ds_sample_rate"),
        ({"dialog": replace(OPUS, upstream_mode="pcm")}, "dialog.downstream_mode"),
        ({"dialog": Dialog(downstream_mode="mp3")}, "dialog.downstream_mode"),
        ({"dialog": Dialog(voice="Tina")}, "dialog.voice"),
        ({"license": License(mode="semi-managed")}, "license.mode"),
        ({"license": License(app_id="mm_01")}, "license.app_id"),
        ({"license": License(api_key=Secret("sk-0123456789"))}, "license.api_key"),
    ],
)
def test_what_cannot_work_is_named(change: dict[str, Any], key: str) -> None:
    assert key in [found.key for found in contradictions(settings(**change))]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"cloud": Cloud(ws_url="wss://c.example/?a=1&ak=x&sk=y")}, "cloud.ws_url"),
        ({"cloud": Cloud(ws_url="wss://c.example/?cfg=%7B%7D")}, "cloud.ws_url"),
        ({"instance_url": "https://r.example/i?sk=y"}, "baidu.instance_url"),
        (
            {"instance_url": "https://rtc-aiagent.baidubce.com/api/v1/aiagent/generateAIAgentCall"},
            "baidu.instance_url",
        ),
        ({"license_key": Secret("ALTAKabcdefghijklmnopqr")}, "baidu.license_key"),
        ({"app_id": "ALTAKabcdefghijklmnopqr"}, "baidu.app_id"),
        (
            {"license": License(headers=Secret("Authorization: bce-auth-v1/ak/time/1800//f"))},
            "license.headers",
        ),
    ],
)
def test_what_looks_like_the_keys_of_the_account_is_refused_with_a_sentence(
    change: dict[str, Any], key: str
) -> None:
    tables = {name: change.pop(name) for name in ("cloud", "license") if name in change}
    if "cloud" in tables:
        tables["cloud"] = replace(tables["cloud"], protocol="baidu-rtc")
    (found,) = contradictions(settings(**tables, baidu=replace(RELAY, **change)))
    assert found.key == key
    assert KEYS in found.why


def test_a_host_that_only_resembles_the_clouds_is_a_relay_like_any_other() -> None:
    url = "https://baidubce.com.relay.example/i"
    assert not list(contradictions(settings(baidu=replace(RELAY, instance_url=url))))


def test_what_is_shown_of_the_proof_has_no_secret() -> None:
    shown = CLOUD.proof(settings())
    assert "relay.example" in shown
    assert "lic-" not in shown


def opening(user_id: str = "", **instance: Any) -> Opening:
    """Return what a connection in push2talk is made of."""
    made = Instance(Secret("t"), 1, device_name="kitchen-0001", **instance)
    given = settings(license=License(user_id=user_id))
    return Opening(given, made, "push2talk", "", 15.0, "")


@pytest.mark.parametrize(("user_id", "shown"), [("", "kitchen-0001"), ("u-7", "u-7")])
def test_a_connection_shows_the_name_of_its_instance_and_whose_the_device_is(
    user_id: str, shown: str
) -> None:
    (active,) = sent(CLOUD.dialect(opening(user_id)).receive_text(MUST, 0.0))
    assert f'{{"devId":"kitchen-0001","uId":"{shown}",' in active


def test_a_connection_knows_what_its_instance_is_for_and_how_the_one_before_ended() -> None:
    assert isinstance(CLOUD.dialect(opening(work_mode="duplex")).begin(0.0)[-1], Close)
    for again in (False, True):
        effects = CLOUD.dialect(opening(again=again)).closed(None, "", 0.0)
        assert isinstance(effects[-1], Close)
        assert isinstance(effects[-1].error, ClosedUnheard)
        assert len(told(effects)) == again
