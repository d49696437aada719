"""The command as a process."""

import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

KEYS = ["ws_url", "license_url", "pop_url", "access_key_id", "access_key_secret"]
KEYS += ["qwen_ws_url", "qwen_token_url", "dashscope_url", "baidu_ws_url"]
KEYS += ["baidu_instance_url", "baidu_app_id", "baidu_license_key"]
KEYS += ["baidu_api_url", "baidu_access_key", "baidu_secret_key", "ca_file"]
KEYS += ["app_id", "app_secret", "api_key", "workspace_id"]


@contextmanager
def simcloud(*options: str | Path) -> Iterator[tuple["subprocess.Popen[str]", dict[str, str]]]:
    """Start the command, yield it and its line."""
    command = [sys.executable, "-m", "mmid.simcloud.main", *map(str, options)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            ready, _, _ = select.select([process.stdout], [], [], 20)
            assert ready, "it printed nothing"
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_the_page_shows_all_of_the_line() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simcloud.md").read_text()
    shown = re.search(r"^    (\{\"ws_url.*?\})$", page, re.MULTILINE | re.DOTALL)
    assert shown
    assert json.loads(shown[1]).keys() == {*KEYS}


def refused(*options: str | Path) -> tuple[int, str]:
    """Run the command, which must end by itself."""
    command = [sys.executable, "-m", "mmid.simcloud.main", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_one_line_and_a_signal_ends_it_well(tmp_path: Path, number: int) -> None:
    with simcloud("--cert-dir", tmp_path) as (process, facts):
        assert list(facts) == KEYS
        assert Path(facts["ca_file"]).is_file()
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert facts["app_secret"] not in err
    assert facts["api_key"] not in err
    assert facts["baidu_license_key"] not in err


def test_a_second_run_is_the_same_cloud(tmp_path: Path) -> None:
    with simcloud("--cert-dir", tmp_path) as (_, first):
        pass
    with simcloud("--cert-dir", tmp_path) as (_, second):
        pass
    same = [key for key in KEYS if not key.endswith("_url")]
    assert [first[key] for key in same] == [second[key] for key in same]


def test_what_it_keeps_of_secrets_is_for_its_owner_only(tmp_path: Path) -> None:
    with simcloud("--cert-dir", tmp_path / "kept"):
        pass
    secret = [path for path in (tmp_path / "kept").iterdir() if path.suffix in (".json", ".key")]
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}


def test_options_name_product_and_port(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-from-a-file-0123456789\n")
    options = ("--app-id", "mm_00", "--api-key-file", key, "--name", "localhost")
    with simcloud("--cert-dir", tmp_path / "kept", *options) as (_, facts):
        assert facts["app_id"] == "mm_00"
        assert facts["api_key"] == "sk-from-a-file-0123456789"
        assert facts["ws_url"].startswith("wss://localhost:")
        assert facts["license_url"].startswith("https://localhost:")


def test_without_a_cert_dir_nothing_stays_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with simcloud() as (process, _):
        assert list(tmp_path.iterdir())
        process.terminate()
        assert process.wait(10) == 0
    assert not list(tmp_path.iterdir())


def test_a_wrong_scenario_ends_it_with_the_key(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.toml"
    scenario.write_text("thinkin_ms = 5\n")
    code, err = refused("--cert-dir", tmp_path / "kept", "--scenario", scenario)
    assert code == 2
    assert f"{scenario}: the file: unknown key 'thinkin_ms'" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("option", ["--app-secret-file", "--api-key-file", "--scenario"])
def test_a_file_without_an_end_is_refused(option: str) -> None:
    status, complaint = refused(option, "/dev/zero")
    assert status == 2
    assert complaint.startswith("mmid-simcloud: /dev/zero: ")
    assert "bytes" in complaint


@pytest.mark.parametrize("option", ["--list-scenarios", "--port=0"])
@pytest.mark.parametrize(("reader", "status"), [("/dev/full", 74), ("gone", 141)])
def test_an_output_that_takes_nothing_ends_it(option: str, reader: str, status: int) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs if reader == "gone" else reader, "wb") as output:  # noqa: PTH123 - a number
        done = subprocess.run(
            [sys.executable, "-m", "mmid.simcloud.main", option],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=20,
            check=False,
        )
    assert done.returncode == status
    assert ("the output cannot be written" in done.stderr) is (status == 74)
    assert "Traceback" not in done.stderr


def test_a_port_in_use_ends_it_with_a_line(tmp_path: Path) -> None:
    with simcloud("--cert-dir", tmp_path) as (_, facts):
        port = facts["ws_url"].split(":")[2].split("/")[0]
        code, err = refused("--cert-dir", tmp_path / "other", "--port", port)
    assert code == 69
    assert "cannot listen" in err
    assert "Traceback" not in err


def test_an_ipv6_address_is_in_brackets_and_in_the_certificate(tmp_path: Path) -> None:
    with simcloud("--cert-dir", tmp_path, "--host", "::1") as (_, facts):
        context = ssl.create_default_context(cafile=facts["ca_file"])
        for key, scheme in (("ws_url", "wss"), ("license_url", "https")):
            url = urlsplit(facts[key])
            assert (url.scheme, url.hostname) == (scheme, "::1")
            assert url.netloc.startswith("[::1]:")
            with socket.create_connection(("::1", url.port or 0), 10) as plain:
                context.wrap_socket(plain, server_hostname="::1").close()
