import time
from collections.abc import Callable

import pytest

from mmid.hal import RecorderListener
from mmid.hal_linux.acceptance.audio import (
    GLANCE_S,
    check_decoder,
    check_encoder,
    check_player,
    check_recorder,
)
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer

Define = Callable[[str], None]

pytestmark = pytest.mark.usefixtures("virtual_time")


@pytest.fixture(autouse=True)
def _pcms(define: Define) -> None:
    define(
        "pcm.paced { type paced }\n"
        "pcm.coarse { type rate slave { rate 48000 pcm { type paced rate 48000 "
        "period_min_ms 125 period_max_ms 125 buffer_max_ms 250 } } }\n"
        "pcm.deaf { type paced deaf 1 }\n"
        "pcm.stuck { type paced stuck_ms 300 }\n"
        "pcm.gone { type paced gone_ms 300 }\n"
    )


def recorder(device: str, rate_hz: int = 16000) -> AlsaRecorder:
    return AlsaRecorder(device, rate_hz, 20)


def player(device: str, rate_hz: int = 24000) -> AlsaPlayer:
    return AlsaPlayer(device, rate_hz, 20, SoftwareGain())


@pytest.mark.parametrize("device", ["paced", "null", "coarse"])
async def test_devices_that_run_at_their_rate_pass(device: str) -> None:
    recorded = await check_recorder(recorder(device), 16000)
    played = await check_player(player(device), 24000)
    assert (recorded.passed, played.passed) == (True, True), (recorded, played)
    assert recorded.measured["overruns"] == played.measured["underruns"] == 0


async def test_devices_at_another_rate_fail() -> None:
    recorded = await check_recorder(recorder("paced", 8000), 16000)
    assert not recorded.passed
    assert 7500 < float(recorded.measured["rate_hz"]) < 8100
    played = await check_player(player("paced", 48000), 24000)
    assert not played.passed
    assert float(played.measured["lasted_ms"]) < 900


@pytest.mark.parametrize("device", ["paced", "null"])
async def test_a_glance_takes_little_time_and_tells_that_sound_flows(device: str) -> None:
    began = time.monotonic()
    results = [
        await check_recorder(recorder(device), 16000, GLANCE_S),
        await check_player(player(device), 24000, GLANCE_S),
    ]
    assert [(result.check, result.passed) for result in results] == [
        ("recorder", True),
        ("player", True),
    ], results
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("device", ["stuck", "gone", "no-such-card"])
async def test_a_recorder_that_fails_says_why(device: str) -> None:
    result = await check_recorder(recorder(device), 16000)
    assert not result.passed
    assert device in result.detail


@pytest.mark.parametrize("device", ["deaf", "gone", "no-such-card"])
async def test_a_player_that_fails_says_why(device: str) -> None:
    result = await check_player(player(device), 24000)
    assert not result.passed
    assert device in result.detail


class LateRecorder(AlsaRecorder):
    """Its samples are fetched too late, in the first so many recordings."""

    def __init__(self, times: int) -> None:
        super().__init__("paced", 16000, 20)
        self._times = times

    def start(
        self, listener: RecorderListener, *, beside_replies: bool = False, preroll_ms: int = 0
    ) -> None:
        super().start(listener, beside_replies=beside_replies, preroll_ms=preroll_ms)
        self._times -= 1
        if self._times >= 0:
            time.sleep(0.8)


@pytest.mark.parametrize(("times", "passes"), [(1, True), (2, False)])
async def test_an_overrun_is_forgiven_once(times: int, passes: bool) -> None:
    result = await check_recorder(LateRecorder(times), 16000)
    assert result.passed is passes
    assert result.measured["overruns"] == 1 - passes


def test_pcm_needs_no_codec() -> None:
    assert check_encoder("pcm", 16000).passed
    assert check_decoder("pcm", 24000).passed
