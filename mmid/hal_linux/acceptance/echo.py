"""The acceptance test of duplex: how much of a reply the echo canceller takes out on this board.

A sound like speech is played through the loudspeaker while the microphone is open, as a
dialog does both; the figures are the canceller's own. docs/duplex.md tells how to read them.
"""

import asyncio
import random
from array import array
from math import pi, sin

from mmid.errors import AudioDeviceFailed, AudioFormatRefused
from mmid.hal_linux.acceptance import CheckResult
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.echo.cancellation import EchoCancellation
from mmid.hal_linux.audio.playback.player import AlsaPlayer

SOUND_S = 10.0

# Beyond the sound: opening two devices, and what they hold.
_SLACK_S = 3.0

# Less is taken out of hardly any room (docs/duplex.md): a loudspeaker that rattles, or is heard
# through the case.
ERLE_LEAST_DB = 20.0

_AMPLITUDE = 6000
_SYLLABLES_HZ = 4.0


def speech_like(rate_hz: int, seconds: float = SOUND_S) -> bytes:
    """Return noise with the spectrum and the rhythm of speech: 16-bit mono."""
    dice = random.Random(19)  # noqa: S311 - the same noise on every board
    low, samples = 0.0, array("h")
    # Below 1 kHz speech is loudest: a low-pass of one pole, at every rate.
    share = min(1.0, 2 * pi * 1000 / rate_hz)
    for at in range(int(rate_hz * seconds)):
        low += share * (dice.uniform(-2, 2) - low)
        syllable = sin(pi * _SYLLABLES_HZ * at / rate_hz) ** 2
        samples.append(round(_AMPLITUDE * low * syllable))
    return samples.tobytes()


async def check_echo(
    recorder: AlsaRecorder, player: AlsaPlayer, echo: EchoCancellation
) -> CheckResult:
    """Play ten seconds, and judge what is left of them.

    Args:
        recorder: the microphone, closed.
        player: the loudspeaker, closed.
        echo: what is between them.
    """
    ears = _Ears()
    try:
        async with asyncio.timeout(SOUND_S + _SLACK_S):
            recorder.start(ears, beside_replies=True)
            await ears.hears
            player.start(ears)
            player.write(speech_like(player.request.rate_hz))
            player.finish()
            await ears.heard_out
        status = echo.status
    except AudioDeviceFailed as error:
        return CheckResult("echo", False, str(error))
    except TimeoutError:
        what = f"{player.device} and {recorder.device} did not get on"
        return CheckResult("echo", False, f"{what} within {SOUND_S + _SLACK_S:g} s")
    finally:
        player.flush()
        recorder.stop()
    figures = (
        f"{status['erle_db']:.0f} dB of the echo taken out, delay {status['delay_ms']:.1f} ms, "
        f"drift {status['drift_ppm']:.0f} ppm"
    )
    if status["state"] != "on":
        return CheckResult("echo", False, f"{status['state']}; {figures}", status)
    if float(status["erle_db"]) < ERLE_LEAST_DB:
        return CheckResult("echo", False, f"{figures}; {ERLE_LEAST_DB:g} dB are needed", status)
    return CheckResult("echo", True, figures, status)


class _Ears:
    """Hears that the microphone gives samples, and that the loudspeaker has played."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.hears: asyncio.Future[None] = loop.create_future()
        self.heard_out: asyncio.Future[None] = loop.create_future()

    def recorder_audio(self, _: bytes) -> None:
        if not self.hears.done():
            self.hears.set_result(None)

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        self.player_failed(error)

    def player_started(self) -> None:
        """Do nothing: what counts is the end."""

    def player_finished(self) -> None:
        if not self.heard_out.done():
            self.heard_out.set_result(None)

    def player_failed(self, error: AudioDeviceFailed) -> None:
        for future in (self.hears, self.heard_out):
            if not future.done():
                future.set_exception(error)
                future.exception()  # asyncio complains of one that nobody waits for

    def player_refused(self, error: AudioFormatRefused) -> None:
        """Do nothing: a sound of ours is samples."""
