import ctypes
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmid import RELEASED_MS
from mmid.cli.doctor.board import (
    check_capture,
    check_clock,
    check_codecs,
    check_mixer,
    check_playback,
)
from mmid.cli.doctor.finding import Finding, Verdict
from mmid.hal_linux.audio import alsa
from mmid.hal_linux.audio.playback.mixer import AlsaMixer
from mmid.hal_linux.time import clock
from mmid.session.clouds import with_own_rates
from mmid.settings import Audio, Settings
from tests.rig.dialog_settings import dialog_settings

Define = Callable[[str], None]
Compile = Callable[[str], Path]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A board whose record is a file, and whose devices are called as below."""
    plain = with_own_rates(Settings())
    return replace(
        plain,
        storage=replace(plain.storage, target=f"file:{tmp_path}/device.bin"),
        clock=replace(plain.clock, require_sync=False),
        audio=replace(plain.audio, capture_device="ear", playback_device="mouth"),
    )


def test_a_clock_before_the_release_is_a_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_clock(settings).verdict is Verdict.OK
    monkeypatch.setattr(time, "time_ns", lambda: (RELEASED_MS - 1) * 1_000_000)
    finding = check_clock(settings)
    assert finding.verdict is Verdict.FAILURE
    assert "NTP" in finding.remedy


def test_a_clock_that_nobody_synchronised_is_a_failure_where_that_is_required(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    strict = replace(settings, clock=replace(settings.clock, require_sync=True))
    flag = tmp_path / "synchronized"
    monkeypatch.setattr(clock, "_kernel_is_synchronized", lambda: False)
    monkeypatch.setattr(clock, "_TIMESYNC_FLAG", flag)
    finding = check_clock(strict)
    assert finding.verdict is Verdict.FAILURE
    assert "not synchronised" in finding.text
    flag.touch()
    assert check_clock(strict).verdict is Verdict.OK


async def test_sound_devices_that_are_there_tell_what_was_negotiated(
    settings: Settings, define: Define
) -> None:
    define("pcm.ear { type null }\npcm.mouth { type null }\n")
    findings = await by_check(settings)
    assert {finding.verdict for finding in findings.values()} == {Verdict.OK}
    assert "16000 Hz mono" in findings["capture"].text
    assert "24000 Hz mono" in findings["playback"].text


async def test_a_sound_device_that_opens_but_does_not_run_is_a_failure(
    settings: Settings, define: Define
) -> None:
    define("pcm.ear { type paced stuck_ms 1 }\npcm.mouth { type null }\n")
    findings = await by_check(settings)
    assert findings["capture"].verdict is Verdict.FAILURE
    assert "ear" in findings["capture"].text
    assert findings["playback"].verdict is Verdict.OK


@pytest.mark.parametrize(("there", "missing"), [("ear", "playback"), ("mouth", "capture")])
async def test_a_sound_device_that_is_missing_is_a_failure_and_the_other_is_still_tried(
    settings: Settings, define: Define, there: str, missing: str
) -> None:
    define(f"pcm.{there} {{ type null }}\n")
    findings = await by_check(settings)
    wrong = [name for name, found in findings.items() if found.verdict is not Verdict.OK]
    assert wrong == [missing]
    assert "does not exist" in findings[missing].text


@pytest.mark.parametrize("holder", ["mmid", "aplay"])
async def test_a_device_that_the_daemon_itself_has_open_is_not_judged(
    settings: Settings,
    define: Define,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    holder: str,
) -> None:
    define(f'pcm.ear {{ type paced busy "{tmp_path}/busy" }}\n')
    (tmp_path / "busy").touch()
    monkeypatch.setattr(alsa, "holders", lambda _: [f"{holder} (process 12)"])
    finding = await check_capture(settings)
    assert finding.verdict is (Verdict.SKIPPED if holder == "mmid" else Verdict.FAILURE)
    assert ("audio.capture_device" in finding.remedy) is (holder != "mmid")


async def by_check(settings: Settings) -> dict[str, Finding]:
    return {
        "capture": await check_capture(settings),
        "playback": await check_playback(settings),
    }


@pytest.mark.parametrize(
    ("tables", "package"),
    [
        ({"dialog": dialog_settings(upstream_mode="raw-opus")}, "libopus0"),
        ({"dialog": dialog_settings(downstream_mode="mp3")}, "libmpg123"),
        ({"dialog": dialog_settings(downstream_mode="opus")}, "libopus0"),
        ({"audio": Audio(echo_canceller="speex")}, "libspeexdsp1"),
    ],
    ids=["speech", "mp3", "opus", "echo"],
)
def test_a_library_that_is_missing_is_a_failure_that_names_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tables: dict[str, Any], package: str
) -> None:
    def no_library(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    coded = replace(settings, **tables)
    assert check_codecs(coded).verdict is Verdict.OK
    monkeypatch.setattr(ctypes, "CDLL", no_library)
    assert check_codecs(settings).verdict is Verdict.OK  # PCM needs none
    finding = check_codecs(coded)
    assert finding.verdict is Verdict.FAILURE
    assert package in finding.text
    assert finding.remedy


def test_no_mixer_control_is_nothing_to_check(settings: Settings) -> None:
    assert check_mixer(settings).verdict is Verdict.SKIPPED


def test_a_mixer_control_is_fine_silent_or_missing(
    settings: Settings, define: Define, compile_plugin: Compile
) -> None:
    define(
        f'ctl_type.mixer {{ lib "{compile_plugin("mixer_ctl.c")}" }}\nctl.card {{ type mixer }}\n'
    )
    audio = replace(settings.audio, mixer_device="card", mixer_control="Master")
    mixed = replace(settings, audio=audio)
    mixer = AlsaMixer("card", "Master")
    mixer.set_muted(False)
    mixer.set_volume(100)
    assert check_mixer(mixed).verdict is Verdict.OK
    mixer.set_muted(True)
    muted = check_mixer(mixed)
    assert muted.verdict is Verdict.WARNING
    assert "mmictl mute off" in muted.remedy
    missing = check_mixer(replace(mixed, audio=replace(audio, mixer_control="Absent")))
    assert missing.verdict is Verdict.FAILURE
    assert "amixer" in missing.remedy
