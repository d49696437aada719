"""The acceptance test of the sound devices: do they run, at their rate, without a gap?

Silence is played and what is recorded is thrown away: nothing can be heard,
so this can run anywhere. Whether a loudspeaker hangs on the card is the
acoustic check's business.
"""

import asyncio
from collections.abc import Awaitable, Callable

from mmid.errors import AudioDeviceFailed, MmidError
from mmid.hal import Player, Recorder
from mmid.hal_linux.acceptance.verdict import Verdict

__all__ = ["check_decoder", "check_encoder", "check_player", "check_recorder"]

_RUN_S = 1.0

# Opening a slow device, or one that does not get on.
_SLACK_S = 3.0

# A crystal is right to 0.01 %; what is allowed is the loop being late. A wrong
# rate (44100 for 48000, 16000 for 24000) is off by far more.
_RATE_TOLERANCE = 0.05

_SAMPLE_BYTES = 2

# Whatever the settings say: it is only to work.
_BITS_PER_S = 32000


async def check_recorder(recorder: Recorder, rate_hz: int) -> Verdict:
    """Record for a second, and check rate and overruns."""
    return await _twice(lambda: _check_recorder(recorder, rate_hz))


async def check_player(player: Player, rate_hz: int) -> Verdict:
    """Play a second of silence, and check how long it took, and underruns."""
    return await _twice(lambda: _check_player(player, rate_hz))


async def _twice(check: Callable[[], Awaitable[Verdict]]) -> Verdict:
    """Give a device that ran, but not well, a second chance: the board may have been busy."""
    verdict = await check()
    return verdict if verdict.passed or not verdict.measured else await check()


async def _check_recorder(recorder: Recorder, rate_hz: int) -> Verdict:
    overruns = recorder.overruns
    ears = _Ears(int(_RUN_S * rate_hz))
    try:
        recorder.start(ears)
        ears.begin()
        async with asyncio.timeout(_RUN_S + _SLACK_S):
            await ears.done
    except AudioDeviceFailed as error:
        return Verdict("recorder", False, str(error))
    except TimeoutError:
        gave = f"gave {ears.frames} samples in {_RUN_S + _SLACK_S:g} s"
        return Verdict("recorder", False, f"{recorder.device} {gave}, not {_RUN_S * rate_hz:g}")
    finally:
        recorder.stop()
    lost = recorder.overruns - overruns
    measured = {"rate_hz": round(ears.fastest_hz), "overruns": lost}
    if lost:
        return Verdict("recorder", False, f"{recorder.device} overran {lost} times", measured)
    detail = f"{recorder.device} at {ears.fastest_hz:.0f} Hz, {rate_hz} wanted, no overrun"
    passed = abs(ears.fastest_hz / rate_hz - 1) <= _RATE_TOLERANCE
    return Verdict("recorder", passed, detail, measured)


async def _check_player(player: Player, rate_hz: int) -> Verdict:
    underruns = player.underruns
    mouth = _Mouth()
    try:
        player.start(mouth)
        player.write(bytes(int(_RUN_S * rate_hz) * _SAMPLE_BYTES))
        player.finish()
        async with asyncio.timeout(_RUN_S + _SLACK_S):
            lasted_s = await mouth.done
    except AudioDeviceFailed as error:
        return Verdict("player", False, str(error))
    except TimeoutError:
        text = f"{player.device} did not play {_RUN_S:g} s in {_RUN_S + _SLACK_S:g} s"
        return Verdict("player", False, text)
    finally:
        player.flush()
    empty = player.underruns - underruns
    measured = {"lasted_ms": round(lasted_s * 1000), "underruns": empty}
    if empty:
        return Verdict("player", False, f"{player.device} ran dry {empty} times", measured)
    detail = f"{player.device} played {_RUN_S:g} s in {lasted_s:.2f} s, no underrun"
    early, late = _RUN_S * (1 - _RATE_TOLERANCE), _RUN_S * (1 + 4 * _RATE_TOLERANCE)
    return Verdict("player", early <= lasted_s <= late, detail, measured)


def check_encoder(mode: str, rate_hz: int) -> Verdict:
    """Check that the codec of the speech is installed and packs a second of it."""
    if mode == "pcm":
        return Verdict("encoder", True, "pcm needs none")
    from mmid.hal_linux.audio.codecs import make_encoder  # noqa: PLC0415 - only if asked for

    try:
        encoder = make_encoder(mode, rate_hz, _BITS_PER_S)
        packets = list(encoder.encode(bytes(rate_hz * _SAMPLE_BYTES)))
    except MmidError as error:
        return Verdict("encoder", False, str(error))
    detail = f"{mode} at {rate_hz} Hz: {len(packets)} packets a second"
    return Verdict("encoder", bool(packets), detail, {"packets": len(packets)})


def check_decoder(mode: str, rate_hz: int) -> Verdict:
    """Check that the codec of the replies is installed."""
    if mode == "pcm":
        return Verdict("decoder", True, "pcm needs none")
    from mmid.hal_linux.audio.codecs import make_decoder  # noqa: PLC0415 - only if asked for

    try:
        make_decoder(mode, rate_hz)
    except MmidError as error:
        return Verdict("decoder", False, str(error))
    return Verdict("decoder", True, f"{mode} at {rate_hz} Hz")


class _Ears:
    """Counts what a recorder gives."""

    def __init__(self, wanted_frames: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.frames = 0
        self.fastest_hz = 0.0
        self._wanted_frames = wanted_frames
        self._since = self._loop.time()

    def begin(self) -> None:
        """The device is open: from now on samples come."""
        self._since = self._loop.time()

    def recorder_audio(self, data: bytes) -> None:
        if self.done.done():
            return
        self.frames += len(data) // _SAMPLE_BYTES
        # Samples come late when the loop is busy, never early: the fastest is the truth.
        if self.frames >= self._wanted_frames // 2:
            elapsed = self._loop.time() - self._since
            self.fastest_hz = max(self.fastest_hz, self.frames / elapsed)
        if self.frames >= self._wanted_frames:
            self.done.set_result(None)

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class _Mouth:
    """Measures how long a reply was heard."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[float] = self._loop.create_future()
        self._started_at = self._loop.time()

    def player_started(self) -> None:
        self._started_at = self._loop.time()

    def player_finished(self) -> None:
        if not self.done.done():
            self.done.set_result(self._loop.time() - self._started_at)

    def player_failed(self, error: AudioDeviceFailed) -> None:
        if not self.done.done():
            self.done.set_exception(error)
