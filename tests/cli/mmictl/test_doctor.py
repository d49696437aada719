import json
import os
import subprocess
import sys
from pathlib import Path

from tests.cli.command_line import ROOT
from tests.cli.doctor.test_examination import IN_ORDER


def doctor(tmp_path: Path, settings: str, *options: str) -> subprocess.CompletedProcess[str]:
    config = tmp_path / "mmid.toml"
    config.write_text(settings)
    config.chmod(0o644)  # whatever umask: a group that may write is a finding more
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MMID_")}
    bus = f"unix:path={tmp_path}/no-bus"
    command = [sys.executable, "-m", "mmid.cli.mmictl", "--bus", bus, "doctor"]
    result = subprocess.run(
        [*command, "--config", str(config), *options],
        env={**ours, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "Traceback" not in result.stderr
    return result


def board(tmp_path: Path) -> str:
    return f"""
        [cloud]
        ws_url = "wss://nowhere.invalid/ws"
        license_url = "https://nowhere.invalid"
        [license]
        app_secret = "0123456789abcdef0123456789abcdef"
        [storage]
        target = "file:{tmp_path}/device.bin"
        [audio]
        capture_device = "null"
        playback_device = "null"
    """


def test_every_check_is_reported_in_the_order_in_which_they_are_needed(tmp_path: Path) -> None:
    result = doctor(tmp_path, board(tmp_path), "--json")
    findings = [json.loads(line) for line in result.stdout.splitlines()]
    assert [finding["check"] for finding in findings] == IN_ORDER
    assert result.returncode == 1
    verdicts = {finding["check"]: finding["verdict"] for finding in findings}
    assert verdicts["settings"] == verdicts["capture"] == verdicts["playback"] == "ok"
    assert verdicts["names"] == verdicts["daemon"] == "failure"
    assert all(finding["remedy"] for finding in findings if finding["verdict"] == "failure")


def test_a_person_reads_one_line_a_check_and_the_remedy_below_it(tmp_path: Path) -> None:
    lines = doctor(tmp_path, board(tmp_path)).stdout.splitlines()
    assert lines[0].split()[:2] == ["ok", "settings"]
    wrong = next(number for number, line in enumerate(lines) if line.startswith("failure"))
    assert lines[wrong + 1].strip().startswith("-> ")
    assert "\033" not in "".join(lines)


def test_no_secret_is_printed(tmp_path: Path) -> None:
    result = doctor(tmp_path, board(tmp_path))
    assert "0123456789abcdef" not in result.stdout + result.stderr
