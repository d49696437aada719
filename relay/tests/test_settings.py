"""Where settings come from, and what is said of wrong ones."""

import json
import os
from pathlib import Path

import pytest

from mmid_relay.serve import check_certificate
from mmid_relay.settings import Server, Settings, SettingsInvalid, load
from mmid_relay.vendors.upstream import Connections
from tests.rig import KEY

_GOOD = f"""
[server]
listen = "unix:/run/mmid-relay/relay.sock"

[devices]
fleet_keys = {{ k1 = "{KEY}" }}
signing_key = "k1"

[dashscope]
api_key = "sk-from-the-file"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text(_GOOD)
    return path


def _wrong(path: Path) -> str:
    with pytest.raises(SettingsInvalid) as raised:
        load(path)
    return str(raised.value)


def test_a_file_is_read(file: Path) -> None:
    settings = load(file)
    assert settings.server.unix_path == "/run/mmid-relay/relay.sock"
    assert settings.dashscope
    assert settings.dashscope.url == "https://dashscope.aliyuncs.com"
    assert (settings.alibaba, settings.baidu) == (None, None)
    assert settings.limits.shared_store == ""


def test_the_environment_wins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMID_RELAY_DASHSCOPE__API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("MMID_RELAY_LIMITS__DEVICE_PER_MINUTE", "7")
    monkeypatch.setenv("MMID_RELAY_DEVICES__FLEET_KEYS", json.dumps({"k1": "f" * 64}))
    settings = load(file)
    assert settings.dashscope
    assert settings.dashscope.api_key.get_secret_value() == "sk-from-the-environment"
    assert settings.limits.device_per_minute == 7
    assert settings.devices.fleet_keys["k1"].get_secret_value() == "f" * 64


def test_secrets_may_stand_in_files(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "api_key": "sk-in-a-file\n",
        "fleet_keys": f"k1 {KEY}\n\nk2  {'f' * 64}\n",
        "store": "redis://:password@store/0\n",
        "id": "LTAI",
    }.items():
        (tmp_path / name).write_text(text)
    file.write_text(
        f"""
        [devices]
        fleet_keys_file = "{tmp_path}/fleet_keys"
        signing_key = "k2"
        [limits]
        store_file = "{tmp_path}/store"
        [dashscope]
        api_key_file = "{tmp_path}/api_key"
        [alibaba]
        access_key_id_file = "{tmp_path}/id"
        access_key_secret_file = "{tmp_path}/id"
        """
    )
    monkeypatch.setenv("MMID_RELAY_ALIBABA__TOKEN_KEY_FILE", f"{tmp_path}/api_key")
    settings = load(file)
    assert settings.dashscope
    assert settings.alibaba
    assert settings.dashscope.api_key.get_secret_value() == "sk-in-a-file"
    assert settings.alibaba.token_key.get_secret_value() == "sk-in-a-file"
    assert settings.limits.shared_store == "redis://:password@store/0"
    assert set(settings.devices.fleet_keys) == {"k1", "k2"}


def test_a_pipe_is_refused_where_a_file_is_named(file: Path, tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    file.write_text(f'[dashscope]\napi_key_file = "{pipe}"\n')
    assert f"api_key_file: {pipe}: it is no regular file" in _wrong(file)
    assert _wrong(pipe).endswith("or it is no regular one")
    with pytest.raises(SettingsInvalid, match="ca_file"):
        Connections(str(pipe))
    with pytest.raises(SettingsInvalid, match="tls_cert"):
        check_certificate(Server(tls_cert=str(pipe)))


def test_a_path_that_cannot_be_looked_at_is_said(tmp_path: Path) -> None:
    assert "cannot be read: File name too long" in _wrong(tmp_path / ("x" * 300))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("[server]\nlistens = 'x'", "server.listens: Extra inputs are not permitted"),
        ("[servers]", "servers: Extra inputs are not permitted"),
        ("[server]\nlisten = 'nowhere'", "server.listen: String should match pattern"),
        ("[server]\ntrusted_proxies = ['10.0.0.1/8']", "server.trusted_proxies"),
        ("[limits]\nvendor_timeout_s = 30", "limits.vendor_timeout_s"),
        ("[limits]\nstore = 'secret-thing'", "limits.store: Value error, store is memory"),
        ("[limits]\nstore = 'redis://:secret/x@x'", "limits.store: Value error, store is"),
        ("[limits]\nstore = 'redis://:secret@[x'", "limits.store: Value error, store is memory"),
        ("[server]\nlisten = 'x:65536'", "server.listen: Value error, the port is 1 to 65535"),
        ("[devices]\nsigning_key = 'k1'", "signing_key is the id of none of fleet_keys"),
        ("[devices]\nfleet_keys = {k1 = 'secret'}", "the key k1 is not 64 hex digits"),
        ("[devices]\nfleet_keys = {'k 1' = 'secret'}", "a key's id is 1 to 32 letters"),
        ("[devices]\nrevoked = ['radio/1']", "devices.revoked"),
        ("[dashscope]\nurl = 'http://x'\napi_key='secret'", "dashscope.url: String should match"),
        ("[dashscope]\nurl = 'https://u:p@x'\napi_key='secret'", "dashscope.url"),
        ("[dashscope]\nurl = 'https://x:99999'\napi_key='secret'", "dashscope.url: Value error"),
        ("[dashscope]\nurl = 'https://[::1'\napi_key='secret'", "dashscope.url: Value error"),
        ("[baidu]\nurl = 'https://a..b'", "baidu.url: Value error, it has no host"),
        ("[baidu]\nurl = 'https://:443'", "baidu.url: Value error, it has no host"),
        ("[alibaba]\nendpoint = 'x:99999'", "alibaba.endpoint: Value error"),
        ("[dashscope]", "dashscope.api_key: Field required"),
        ("[dashscope]\napi_key = ''", "dashscope.api_key: Value error, it is empty"),
        ("[dashscope]\napi_key = 'secret secret'", "or has white space"),
        ("[dashscope]\napi_key_file = '/none'", "api_key_file: /none cannot be read: No such"),
        ("[dashscope]\napi_key='secret'\napi_key_file = '/none'", "are both set"),
        ("[dashscope]\napi_key = 'secret", "cannot be read"),
        ("[alibaba]\nendpoint = 'http://x'", "alibaba.endpoint"),
    ],
)
def test_what_is_wrong_is_said_by_its_key_and_no_value_is_quoted(
    file: Path, change: str, said: str
) -> None:
    file.write_text(change)
    words = _wrong(file)
    assert said in words
    assert "secret" not in words.replace("access_key_secret", "").replace("secret_key", "")


def test_nonsense_in_the_environment_is_said_to_be_there(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMID_RELAY_DEVICES__REVOKED", "[secret")
    words = _wrong(file)
    assert words.startswith("the environment")
    assert "secret" not in words


def test_a_key_that_signs_must_not_be_revoked(file: Path) -> None:
    file.write_text(_GOOD.replace("[dashscope]", 'revoked_keys = ["k1"]\n[dashscope]'))
    assert "signing_key is one of revoked_keys" in _wrong(file)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    assert "there is no file" in _wrong(tmp_path / "none.toml")


def test_what_goes_into_an_instances_config_is_a_json_object(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    plain = {"access_key": "a", "secret_key": "b", "app_id": "c", "config_file": str(config)}
    settings = Settings.model_validate({"baidu": plain})
    assert settings.baidu
    for text, said in {"[1]": "no JSON object", "{": "Expecting", "": "empty"}.items():
        config.write_text(text)
        with pytest.raises(SettingsInvalid, match=said):
            settings.baidu.config()
    config.write_text('{"asr_vad": 700}')
    assert settings.baidu.config() == {"asr_vad": 700}


def test_no_secret_is_shown_by_accident(file: Path) -> None:
    text = repr(load(file)) + str(load(file))
    assert "sk-from-the-file" not in text
    assert KEY not in text


@pytest.mark.parametrize(
    ("listen", "address"),
    [("0.0.0.0:443", ("0.0.0.0", 443)), ("[::1]:8443", ("::1", 8443)), ("relay:1", ("relay", 1))],
)
def test_an_address_has_a_host_and_a_port(listen: str, address: tuple[str, int]) -> None:
    settings = Settings.model_validate({"server": {"listen": listen}})
    assert settings.server.address == address
    assert settings.server.unix_path == ""
