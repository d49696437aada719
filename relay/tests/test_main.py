"""The command's subcommands, and its exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmid_relay.__main__ import main
from mmid_relay.devices import device_token
from tests.rig import KEY


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text(f'[devices]\nsigning_key = "k1"\nfleet_keys = {{k1 = "{KEY}"}}\n')
    return path


def test_the_openapi_document_names_every_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    paths = json.loads(capsys.readouterr().out)["paths"]
    assert set(paths) == {
        "/v1/register",
        "/v1/token",
        "/v1/qwen/token",
        "/v1/baidu/instance",
        "/v1/baidu/stop",
        "/healthz",
        "/readyz",
        "/metrics",
    }


def test_a_devices_token_is_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device-token", "--config", str(file), "radio-1"]) == 0
    assert capsys.readouterr().out == device_token("radio-1", "k1", bytes.fromhex(KEY)) + "\n"


@pytest.mark.parametrize("name", ["", "radio 1", "radio.1", "x" * 33, "radio-1\n"])
def test_a_name_that_is_none_gets_no_token(
    file: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["device-token", "--config", str(file), name]) == 78
    assert capsys.readouterr().out == ""


def test_no_key_signs_if_none_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("")
    assert main(["device-token", "--config", str(file), "radio-1"]) == 78
    assert "devices.signing_key is not set" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "check"])
def test_wrong_settings_are_said_and_are_78(
    file: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    for text, said in {
        "[server]\nlisten = 1": "server.listen",
        "[server]\nca_file = '/none'": "server.ca_file: /none holds no certificates",
        "[server]\ntls_cert = '/none'": "server.tls_cert: it cannot be read",
        "[devices]\nrevoked_file = '/none'": "devices.revoked_file: No such file",
    }.items():
        file.write_text(text)
        assert main([command, "--config", str(file)]) == 78
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", [["openapi"], ["check"], ["device-token", "radio-1"]])
@pytest.mark.parametrize(("output", "status"), [("/dev/full", 74), ("gone", 141)])
def test_an_output_that_takes_nothing_is_told_and_brings_no_traceback(
    file: Path, command: list[str], output: str, status: int
) -> None:
    config = [] if command == ["openapi"] else ["--config", str(file)]
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs if output == "gone" else output, "wb") as taken:  # noqa: PTH123 - a number
        done = subprocess.run(
            [sys.executable, "-m", "mmid_relay", *command, *config],
            stdout=taken,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == status
    assert ("mmid-relay: the output cannot be written" in done.stderr) is (status == 74)
    assert "Traceback" not in done.stderr
