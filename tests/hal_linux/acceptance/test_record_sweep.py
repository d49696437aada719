"""The acoustic check on real PCMs: what one plays, the other records."""

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.acceptance import CheckResult
from mmid.hal_linux.acceptance.acoustic import judge
from mmid.hal_linux.acceptance.audio import record_sweep
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer

Define = Callable[[str], None]
Build = Callable[[str], None]

pytestmark = pytest.mark.usefixtures("virtual_time")


@pytest.fixture
def build(define: Define, compile_plugin: Callable[[str], Path]) -> Build:
    """Build a room: options of the PCM ``room``."""
    plugin = compile_plugin("room_pcm.c")

    def build(options: str) -> None:
        pcms = f'pcm_type.room {{ lib "{plugin}" }} pcm.room {{ type room {options} }}\n'
        define(
            f"{pcms} pcm.deaf {{ type paced deaf 1 }} pcm.stuck {{ type paced stuck_ms 0 }}\n"
            "pcm.gone { type paced gone_ms 100 }"
        )

    return build


async def heard(
    capture: str = "room",
    playback: str = "room",
    capture_hz: int = 16000,
    playback_hz: int = 24000,
) -> dict[str, CheckResult]:
    recorder = AlsaRecorder(capture, capture_hz, 20)
    player = AlsaPlayer(playback, playback_hz, 20, SoftwareGain())
    recording = await record_sweep(recorder, capture_hz, player, playback_hz)
    assert not recorder.recording
    assert not player.playing
    return {result.check: result for result in judge(recording)}


def failed(results: dict[str, CheckResult]) -> set[str]:
    return {name for name, result in results.items() if not result.passed}


@pytest.mark.parametrize(
    ("capture_hz", "playback_hz"), [(16000, 24000), (48000, 48000), (8000, 16000)]
)
async def test_a_good_room_passes(build: Build, capture_hz: int, playback_hz: int) -> None:
    build("delay_ms 40 gain 50 noise 20")
    results = await heard(capture_hz=capture_hz, playback_hz=playback_hz)
    assert failed(results) == set()
    # A poor rate blurs it by a ms or two.
    assert 35 <= float(results["delay"].measured["ms"]) <= 45


async def test_swapped_wires_are_heard(build: Build) -> None:
    build("delay_ms 10 gain -50 noise 20")
    assert failed(await heard()) == {"polarity"}


async def test_a_missing_loudspeaker_is_told_from_a_missing_microphone(build: Build) -> None:
    build("gain 0 noise 20")
    unheard = {"loudspeaker", "level", "delay", "polarity"}
    assert failed(await heard()) == unheard
    build("gain 0 noise 0")
    assert failed(await heard()) == {"microphone", *unheard}


async def test_too_much_gain_clips(build: Build) -> None:
    build("delay_ms 10 gain 400 noise 20")
    assert failed(await heard()) == {"level"}


@pytest.mark.parametrize(("capture", "playback"), [("room", "deaf"), ("room", "none")])
async def test_a_device_that_fails_is_named(build: Build, capture: str, playback: str) -> None:
    build("gain 50")
    with pytest.raises(AudioDeviceFailed, match=playback):
        await heard(capture, playback)


async def test_a_microphone_that_gives_nothing_is_named(build: Build) -> None:
    build("gain 50")
    with pytest.raises(AudioDeviceFailed, match="stuck"):
        await heard("stuck", "room")


async def test_of_two_devices_that_fail_one_is_named_and_the_other_no_complaint_of_the_loop(
    build: Build,
) -> None:
    build("gain 50")
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    with pytest.raises(AudioDeviceFailed, match="none"):
        await heard("gone", "none")
    gc.collect()
    assert not complaints
