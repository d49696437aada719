"""``mmid hal-test --audio`` and ``--acoustic``: what goes beyond the vendor's test.

A module of its own, because only these two need alsa-lib.
"""

from dataclasses import replace

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.acceptance import CheckResult
from mmid.hal_linux.acceptance.acoustic import judge
from mmid.hal_linux.acceptance.audio import (
    check_decoder,
    check_encoder,
    check_player,
    check_recorder,
    record_sweep,
)
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from mmid.settings import Settings

__all__ = ["check_audio", "check_room"]

# The sweep waits in it as a whole: 0.8 s at 48 kHz. A second of silence, too.
_RING_BYTES = 1 << 18


async def check_audio(settings: Settings) -> list[CheckResult]:
    """Run recorder and player in silence, and open the codecs of the settings."""
    audio, dialog = settings.audio, settings.dialog
    recorder = _recorder(settings, audio.capture_device)
    player = _player(settings, audio.playback_device)
    recorded = await check_recorder(recorder, dialog.us_sample_rate)
    played = await check_player(player, dialog.ds_sample_rate)
    return [
        replace(recorded, measured={**recorded.measured, "format": recorder.format}),
        replace(played, measured={**played.measured, "format": player.format}),
        check_encoder(dialog.upstream_mode, dialog.us_sample_rate),
        check_decoder(dialog.downstream_mode, dialog.ds_sample_rate),
    ]


async def check_room(settings: Settings, capture: str, playback: str) -> list[CheckResult]:
    """Play the sweep to one PCM, record it from another, and judge what was heard."""
    results = await _check_room(settings, capture, playback)
    failed = {result.check for result in results if not result.passed}
    if failed == {"acoustic delay"}:
        # The board may have been busy just when the clock was read.
        results = await _check_room(settings, capture, playback)
    return results


async def _check_room(settings: Settings, capture: str, playback: str) -> list[CheckResult]:
    dialog = settings.dialog
    recorder, player = _recorder(settings, capture), _player(settings, playback)
    where = {"capture": capture, "playback": playback}
    try:
        recording = await record_sweep(
            recorder, dialog.us_sample_rate, player, dialog.ds_sample_rate
        )
    except AudioDeviceFailed as error:
        return [CheckResult("acoustic", False, str(error), {**where})]
    return [
        replace(result, check=f"acoustic {result.check}", measured={**where, **result.measured})
        for result in judge(recording)
    ]


def _recorder(settings: Settings, device: str) -> AlsaRecorder:
    return AlsaRecorder(device, settings.dialog.us_sample_rate, settings.audio.period_ms)


def _player(settings: Settings, device: str) -> AlsaPlayer:
    rate_hz, period_ms = settings.dialog.ds_sample_rate, settings.audio.period_ms
    return AlsaPlayer(device, rate_hz, period_ms, _RING_BYTES, SoftwareGain())
