import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import pytest

from mmid.cli.mmictl.status import print_history, print_status

DIALOG: dict[str, Any] = {
    "State": "listening",
    "Connected": True,
    "WorkMode": "push2talk",
    "DialogId": "d-1",
    "Talker": "",
    "LastError": {},
    "Usage": {},
}
DEVICE: dict[str, Any] = {
    "AppId": "mm_1",
    "DeviceName": "kitchen-7",
    "Registered": True,
    "LicenseMode": "fully-managed",
    "LicenseState": "authorized",
    "LicenseError": {},
    "TokenExpiry": 0,
    "ClockSynchronized": True,
    "Cloud": "multimodal-dialog",
    "Version": "1.2",
}
AUDIO: dict[str, Any] = {
    "Volume": 80,
    "Muted": True,
    "CaptureDevice": "hw:0",
    "PlaybackDevice": "hw:1",
    "CaptureFormat": "16000 Hz mono S16_LE",
    "PlaybackFormat": "",
    "RecorderOverruns": 3,
    "PlayerUnderruns": 0,
    "EchoCancellation": {},
    "SpeechDroppedBytes": 0,
    "Listeners": [],
    "ListenerDroppedBytes": 0,
}
REFUSED = {
    "code": "100008",
    "message": "the device is registered already. Reset it in the console.",
    "remedy": "reset-in-console",
    "since": 1_795_132_800_000,
    "next_attempt": 0,
}


def screen(
    capsys: pytest.CaptureFixture[str],
    dialog: dict[str, Any] | None = None,
    device: dict[str, Any] | None = None,
    tools: Sequence[str] = (),
    audio: dict[str, Any] | None = None,
) -> list[str]:
    shown = DIALOG | (dialog or {}), DEVICE | (device or {}), AUDIO | (audio or {})
    print_status(*shown, {"Names": tools})
    return capsys.readouterr().out.splitlines()


def test_the_tools_of_the_model_are_named_if_there_are_any(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert screen(capsys, tools=("lamp", "thermometer"))[-1] == "  tools      lamp, thermometer"


def test_a_board_that_is_well_is_shown_in_nine_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert screen(capsys) == [
        "mmid 1.2 is listening",
        "  device     kitchen-7, mm_1, registered",
        "  license    fully-managed, authorized",
        "  clock      set",
        "  link       connected to multimodal-dialog, dialog d-1",
        "  dialog     push2talk, nobody talks",
        "  capture    hw:0: 16000 Hz mono S16_LE; 3 overruns",
        "  playback   hw:1: not used yet",
        "  volume     80 %, muted",
    ]


def test_a_cloud_that_wants_a_key_only_shows_no_product_and_what_the_dialog_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    usage = {"total_tokens": 70, "input_tokens": 23, "input_audio_s": 1.8, "output_audio_s": 2.8}
    device = {"LicenseMode": "api-key", "AppId": "", "Registered": False}
    lines = screen(capsys, {"Usage": usage}, device)
    assert lines[1] == "  device     kitchen-7"
    assert lines[6] == (
        "  usage      70 tokens, 23 of them for what was sent; 2 s of speech, 3 s of replies"
    )


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("off", "off: the microphone is not open beside replies"),
        ("on", "on; 31 dB taken out, delay 28.5 ms, drift -3 ppm"),
        ("muting: why", "muting: why; 31 dB taken out, delay 28.5 ms, drift -3 ppm"),
    ],
)
def test_an_echo_canceller_is_shown_with_its_figures(
    capsys: pytest.CaptureFixture[str], state: str, line: str
) -> None:
    echo = {"state": state, "erle_db": 31.0, "delay_ms": 28.5, "drift_ppm": -3.0}
    assert f"  echo       {line}" in screen(capsys, audio={"EchoCancellation": echo})


def test_a_refused_license_is_shown_last_with_what_mends_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    *_, problem, remedy = screen(capsys, device={"LicenseError": REFUSED})
    assert problem.startswith("  no license 100008 the device is registered already (since 2026-")
    assert problem.endswith("; waits for mmictl device register)")
    assert remedy.strip() == "-> reset-in-console: Reset it in the console."
    clock = REFUSED | {"remedy": "fix-clock"}
    told = screen(capsys, device={"LicenseError": clock})[-2]
    assert told.endswith("; tries again when the clock was set)")
    again = REFUSED | {"next_attempt": 1_795_132_800_000}
    assert "; next attempt 2026-" in screen(capsys, device={"LicenseError": again})[-2]


def test_what_the_network_cost_is_shown_when_it_cost_something(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AUDIO, "SpeechDroppedBytes", 3200)
    [line] = [line for line in screen(capsys) if line.startswith("  network")]
    assert line.endswith("3200 bytes of it were lost")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "5 seconds ago"), (125, "2 minutes ago"), (7300, "2 hours ago"), (200000, "2 days ago")],
)
def test_the_last_error_is_shown_with_its_age_and_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, seconds: int, words: str
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0 + seconds)
    last = {"code": "tls", "message": "expired", "remedy": "Look.", "time": 1_000_000_000}
    *_, problem, remedy = screen(capsys, {"LastError": last})
    assert problem == f"  last error tls: expired ({words})"
    assert remedy.strip() == "-> Look."


def test_the_license_error_is_not_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    last = {"code": "100008", "message": "the same", "remedy": "", "time": 0}
    lines = screen(capsys, {"LastError": last}, {"LicenseError": REFUSED})
    assert not [line for line in lines if "last error" in line]


def test_a_terminal_gets_colours_and_a_pipe_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\033" not in "".join(screen(capsys))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert screen(capsys)[0] == "\033[1mmmid 1.2\033[0m is \033[32mlistening\033[0m"
    lost = screen(capsys, {"State": "offline"}, {"LicenseError": REFUSED})
    assert lost[0].endswith("\033[31moffline\033[0m")
    assert "\033[31mno license \033[0m" in lost[-2]


def test_what_others_wrote_does_not_command_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "\033" not in "".join(screen(capsys, device={"DeviceName": f"a\033[31mb{os.linesep}c"}))


def test_the_history_tells_when_how_long_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    moves = [
        [1_700_000_000_000, "connecting", "attempt 1"],
        [1_700_000_000_250, "dialling", "credential"],
        [1_700_000_061_250, "listening", "Listening\x1b[2J"],
    ]
    print_history(moves, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ", 1)[1].split() for line in lines] == [
        ["0.250", "s", "connecting", "attempt", "1"],
        ["61.000", "s", "dialling", "credential"],
        ["now", "listening", "Listening\ufffd[2J"],
    ]
    print_history(moves, as_json=True)
    assert json.loads(capsys.readouterr().out)[1] == {
        "unix_ms": 1_700_000_000_250,
        "state": "dialling",
        "cause": "credential",
    }


def test_an_empty_history_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_history([], as_json=False)
    assert capsys.readouterr().out == ""
