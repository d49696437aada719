"""The acoustic check's ears and mouth: play a sweep and record it, through the HAL.

It uses the same recorder and player as a dialog does, so what it finds is
what a customer would hear.
"""

import asyncio

from mmid.errors import AudioDeviceFailed
from mmid.hal import Player, Recorder
from mmid.hal_linux.acceptance.acoustic import LEAD_S, RECORDING_S, Recording, sweep

__all__ = ["record_sweep"]

# Beyond the recording itself: what opening two slow devices may take.
_SLACK_S = 2.0


async def record_sweep(
    recorder: Recorder, recorder_hz: int, player: Player, player_hz: int
) -> Recording:
    """Record, play the sweep meanwhile, and return what was heard.

    Args:
        recorder: the microphone, closed.
        recorder_hz: its rate.
        player: the loudspeaker, closed; its ring holds the whole sweep.
        player_hz: its rate.

    Raises:
        AudioDeviceFailed: one of them failed, or gave or took nothing.
    """
    ears = _Ears(int(RECORDING_S * recorder_hz) * 2)
    loop = asyncio.get_running_loop()
    recorder.start(ears)
    started_at = loop.time()
    try:
        async with asyncio.timeout(RECORDING_S + _SLACK_S):
            await asyncio.sleep(LEAD_S)
            mouth = _Mouth()
            player.start(mouth)
            player.write(sweep(player_hz))
            player.finish()
            await asyncio.gather(ears.full, mouth.started)
    except TimeoutError:
        raise AudioDeviceFailed(_what_is_stuck(recorder, player, ears)) from None
    finally:
        player.flush()
        recorder.stop()
    played_at_s = mouth.started.result() - started_at
    return Recording(bytes(ears.samples), recorder_hz, played_at_s)


def _what_is_stuck(recorder: Recorder, player: Player, ears: "_Ears") -> str:
    device = player.device if ears.heard_enough else recorder.device
    return f"the sound device {device!r} did not get on within {RECORDING_S + _SLACK_S:g} s"


class _Ears:
    """Hears the recorder until it has heard enough."""

    def __init__(self, wanted_bytes: int) -> None:
        self.samples = bytearray()
        self.full: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wanted_bytes = wanted_bytes

    @property
    def heard_enough(self) -> bool:
        return len(self.samples) >= self._wanted_bytes

    def recorder_audio(self, data: bytes) -> None:
        if not self.full.done():
            self.samples += data
            if self.heard_enough:
                self.full.set_result(None)

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        if not self.full.done():
            self.full.set_exception(error)


class _Mouth:
    """Knows when the player's first sample could be heard."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.started: asyncio.Future[float] = self._loop.create_future()

    def player_started(self) -> None:
        if not self.started.done():
            self.started.set_result(self._loop.time())

    def player_finished(self) -> None:
        """Nothing follows the sweep."""

    def player_failed(self, error: AudioDeviceFailed) -> None:
        if not self.started.done():
            self.started.set_exception(error)
