"""What the settings of the second cloud may be, and where its connections go."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmid.secrets import Secret
from mmid.session.access import Credential
from mmid.session.clouds import cloud_of, contradictions
from mmid.session.dialects.qwen_realtime.session import session_of
from mmid.settings import Cloud, License, Settings
from mmid.settings.dialog import Dialog
from mmid.settings.qwen import Qwen

KEY = License(api_key=Secret("sk-of-a-realtime-board"))
LAMP = '{"type": "function", "function": {"name": "lamp"}}'
CLOUD = cloud_of("qwen-realtime")


def settings(**tables: Any) -> Settings:
    given: dict[str, Any] = {"cloud": Cloud(protocol="qwen-realtime"), "license": KEY} | tables
    return Settings(**given)


def test_a_connection_names_the_model_and_carries_the_key() -> None:
    cloud = Cloud(protocol="qwen-realtime", model="qwen3.5-omni-plus-realtime", workspace_id="w")
    endpoint = CLOUD.endpoint(settings(cloud=cloud), Credential(Secret("sk-of-a-realtime-board")))
    assert endpoint.url == (
        "wss://dashscope.aliyuncs.com/api-ws/v1/realtime?model=qwen3.5-omni-plus-realtime"
    )
    assert endpoint.headers == {
        "Authorization": "Bearer sk-of-a-realtime-board",
        "X-DashScope-WorkSpace": "w",
    }
    assert endpoint.message_limit_bytes == 8 << 20
    assert "sk-of-a-realtime-board" not in repr(endpoint)


@pytest.mark.parametrize(
    ("mode", "detection"),
    [
        ("push2talk", None),
        ("duplex", {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 800}),
    ],
)
def test_the_session_is_what_the_settings_say(mode: str, detection: object) -> None:
    qwen = Qwen(instructions="be brief", session_json='{"temperature": 0.5}')
    session = session_of(settings(qwen=qwen, dialog=Dialog(voice="Cherry")), mode, [])
    assert session == {
        "modalities": ["text", "audio"],
        "input_audio_format": "pcm",
        "output_audio_format": "pcm",
        "turn_detection": detection,
        "voice": "Cherry",
        "instructions": "be brief",
        "temperature": 0.5,
    }


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"dialog": Dialog(us_sample_rate=8000)}, "dialog.us_sample_rate"),
        ({"dialog": Dialog(downstream_mode="mp3")}, "dialog.downstream_mode"),
        ({"license": replace(KEY, mode="semi-managed")}, "license.mode"),
        ({"license": replace(KEY, sign_tasks=True)}, "license.sign_tasks"),
        ({"license": replace(KEY, headers=Secret("A: b"))}, "license.headers"),
        ({"license": replace(KEY, client_cert="/etc/board.pem")}, "license.client_cert"),
        ({"license": replace(KEY, client_key="/etc/board.key")}, "license.client_key"),
        ({"qwen": Qwen(session_json="[1]")}, "qwen.session_json"),
        ({"qwen": Qwen(session_json="{")}, "qwen.session_json"),
        ({"qwen": Qwen(session_json='{"voice": "x"}')}, "qwen.session_json"),
        (
            {"qwen": Qwen(session_json='{"input_audio_transcription": null}')},
            "qwen.session_json",
        ),
        ({"qwen": Qwen(tools_file="/nowhere/tools.json")}, "qwen.tools_file"),
    ],
)
def test_what_cannot_work_is_named(change: dict[str, Any], key: str) -> None:
    assert [found.key for found in contradictions(settings(**change))] == [key]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "array"),
        ("nonsense", "JSON"),
        ('[{"name": "lamp"}]', "must be"),
        (f"[{LAMP}, {LAMP}]", "lamp twice"),
        ("[" + ",".join(['{"type":"function","function":{"name":"n"}}'] * 33) + "]", "33"),
    ],
)
def test_a_file_of_tools_that_is_none_is_told(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "tools.json"
    file.write_text(content)
    (found,) = contradictions(settings(qwen=Qwen(tools_file=str(file))))
    assert found.key == "qwen.tools_file"
    assert reason in found.why


@pytest.mark.parametrize(("search", "found"), [("true", ["qwen.session_json"]), ("false", [])])
def test_a_search_beside_functions_is_named(tmp_path: Path, search: str, found: list[str]) -> None:
    file = tmp_path / "tools.json"
    file.write_text(f"[{LAMP}]")
    qwen = Qwen(tools_file=str(file), session_json=f'{{"enable_search": {search}}}')
    assert [one.key for one in contradictions(settings(qwen=qwen))] == found


@pytest.mark.parametrize(
    "license_",
    [
        KEY,
        License(
            token_url="https://relay.example/key",
            device_name="kitchen",
            headers=Secret("A: b"),
            client_cert="/etc/board.pem",
        ),
    ],
    ids=["key", "relay"],
)
def test_settings_that_are_complete_have_no_contradiction(license_: License) -> None:
    assert not list(contradictions(settings(license=license_)))
