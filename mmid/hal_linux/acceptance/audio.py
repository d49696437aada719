"""The acceptance test of the sound devices, through the HAL as a dialog uses it.

``check_recorder`` and ``check_player`` see whether they run, at their rate and
without a gap: silence is played and what is recorded is thrown away, so this
can run anywhere. ``record_sweep`` plays and records what ``acoustic`` judges:
whether a loudspeaker hangs on the card, and what a customer would hear.
"""

import asyncio
from collections.abc import Awaitable, Callable

from mmid.errors import AudioDeviceFailed, MmidError
from mmid.hal import Player, Recorder
from mmid.hal_linux.acceptance import CheckResult
from mmid.hal_linux.acceptance.acoustic import LEAD_S, RECORDING_S, Recording, sweep

_RUN_S = 1.0

# Beyond the time that a good device needs: opening a slow one, or one that does not get on.
_SLACK_S = 3.0

# A crystal is right to 0.01 %; what is allowed is the loop being late. A wrong
# rate (44100 for 48000, 16000 for 24000) is off by far more.
_RATE_TOLERANCE = 0.05

_SAMPLE_BYTES = 2

# Any will do, whatever the settings say: the check is that the encoder works.
_BITS_PER_S = 32000


async def check_recorder(recorder: Recorder, rate_hz: int) -> CheckResult:
    """Record for a second, and check rate and overruns."""
    return await _twice(lambda: _check_recorder(recorder, rate_hz))


async def check_player(player: Player, rate_hz: int) -> CheckResult:
    """Play a second of silence, and check how long it took, and underruns."""
    return await _twice(lambda: _check_player(player, rate_hz))


async def _twice(check: Callable[[], Awaitable[CheckResult]]) -> CheckResult:
    """Give a device that ran, but not well, a second chance: the board may have been busy."""
    result = await check()
    return result if result.passed or not result.measured else await check()


async def _check_recorder(recorder: Recorder, rate_hz: int) -> CheckResult:
    overruns = recorder.overruns
    capture = _Capture(int(_RUN_S * rate_hz))
    try:
        recorder.start(capture)
        capture.begin()
        async with asyncio.timeout(_RUN_S + _SLACK_S):
            await capture.full
    except AudioDeviceFailed as error:
        return CheckResult("recorder", False, str(error))
    except TimeoutError:
        gave = f"gave {capture.frames} samples in {_RUN_S + _SLACK_S:g} s"
        return CheckResult("recorder", False, f"{recorder.device} {gave}, not {_RUN_S * rate_hz:g}")
    finally:
        recorder.stop()
    lost = recorder.overruns - overruns
    measured = {"rate_hz": round(capture.fastest_hz), "overruns": lost}
    if lost:
        return CheckResult("recorder", False, f"{recorder.device} overran {lost} times", measured)
    detail = f"{recorder.device} at {capture.fastest_hz:.0f} Hz, {rate_hz} wanted, no overrun"
    passed = abs(capture.fastest_hz / rate_hz - 1) <= _RATE_TOLERANCE
    return CheckResult("recorder", passed, detail, measured)


async def _check_player(player: Player, rate_hz: int) -> CheckResult:
    underruns = player.underruns
    playback = _Playback()
    try:
        playback.play(player, bytes(int(_RUN_S * rate_hz) * _SAMPLE_BYTES))
        async with asyncio.timeout(_RUN_S + _SLACK_S):
            started, finished = await asyncio.gather(playback.started, playback.finished)
    except AudioDeviceFailed as error:
        return CheckResult("player", False, str(error))
    except TimeoutError:
        text = f"{player.device} did not play {_RUN_S:g} s in {_RUN_S + _SLACK_S:g} s"
        return CheckResult("player", False, text)
    finally:
        player.flush()
    empty = player.underruns - underruns
    lasted_s = finished - started
    measured = {"lasted_ms": round(lasted_s * 1000), "underruns": empty}
    if empty:
        return CheckResult("player", False, f"{player.device} ran dry {empty} times", measured)
    detail = f"{player.device} played {_RUN_S:g} s in {lasted_s:.2f} s, no underrun"
    early, late = _RUN_S * (1 - _RATE_TOLERANCE), _RUN_S * (1 + 4 * _RATE_TOLERANCE)
    return CheckResult("player", early <= lasted_s <= late, detail, measured)


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
    capture, playback = _Capture(int(RECORDING_S * recorder_hz)), _Playback()
    loop = asyncio.get_running_loop()
    recorder.start(capture)
    began = loop.time()
    try:
        async with asyncio.timeout(RECORDING_S + _SLACK_S):
            await asyncio.sleep(LEAD_S)
            playback.play(player, sweep(player_hz))
            await asyncio.gather(capture.full, playback.started)
    except TimeoutError:
        stuck = player.device if capture.full.done() else recorder.device
        raise AudioDeviceFailed(
            f"the sound device {stuck!r} did not get on within {RECORDING_S + _SLACK_S:g} s"
        ) from None
    finally:
        player.flush()
        recorder.stop()
    return Recording(bytes(capture.samples), recorder_hz, playback.started.result() - began)


def check_encoder(mode: str, rate_hz: int) -> CheckResult:
    """Check that the codec of the speech is installed and packs a second of it."""
    if mode == "pcm":
        return CheckResult("encoder", True, "pcm needs none")
    from mmid.hal_linux.audio.codecs import make_encoder  # noqa: PLC0415 - only if asked for

    try:
        encoder = make_encoder(mode, rate_hz, _BITS_PER_S)
        packets = list(encoder.encode(bytes(rate_hz * _SAMPLE_BYTES)))
    except MmidError as error:
        return CheckResult("encoder", False, str(error))
    detail = f"{mode} at {rate_hz} Hz: {len(packets)} packets a second"
    return CheckResult("encoder", bool(packets), detail, {"packets": len(packets)})


def check_decoder(mode: str, rate_hz: int) -> CheckResult:
    """Check that the codec of the replies is installed."""
    if mode == "pcm":
        return CheckResult("decoder", True, "pcm needs none")
    from mmid.hal_linux.audio.codecs import make_decoder  # noqa: PLC0415 - only if asked for

    try:
        make_decoder(mode, rate_hz)
    except MmidError as error:
        return CheckResult("decoder", False, str(error))
    return CheckResult("decoder", True, f"{mode} at {rate_hz} Hz")


class _Capture:
    """Keeps what a recorder gives, until it is enough, and how fast it came.

    Args:
        wanted_frames: how many samples are enough.
    """

    def __init__(self, wanted_frames: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._wanted_frames = wanted_frames
        self._since = self._loop.time()
        self.samples = bytearray()
        self.fastest_hz = 0.0
        self.full: asyncio.Future[None] = self._loop.create_future()

    @property
    def frames(self) -> int:
        """How many samples came."""
        return len(self.samples) // _SAMPLE_BYTES

    def begin(self) -> None:
        """The device is open: from now on samples come."""
        self._since = self._loop.time()

    def recorder_audio(self, data: bytes) -> None:
        if self.full.done():
            return
        self.samples += data
        # Samples come late when the loop is busy, never early: the fastest is the truth.
        if self.frames >= self._wanted_frames // 2:
            elapsed = self._loop.time() - self._since
            self.fastest_hz = max(self.fastest_hz, self.frames / elapsed)
        if self.frames >= self._wanted_frames:
            self.full.set_result(None)

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        if not self.full.done():
            self.full.set_exception(error)


class _Playback:
    """Knows when the first and the last sample of a sound could be heard."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.started: asyncio.Future[float] = self._loop.create_future()
        self.finished: asyncio.Future[float] = self._loop.create_future()

    def play(self, player: Player, sound: bytes) -> None:
        """Have a player play this and nothing more."""
        player.start(self)
        player.write(sound)
        player.finish()

    def player_started(self) -> None:
        if not self.started.done():
            self.started.set_result(self._loop.time())

    def player_finished(self) -> None:
        if not self.finished.done():
            self.finished.set_result(self._loop.time())

    def player_failed(self, error: AudioDeviceFailed) -> None:
        for future in (self.started, self.finished):
            if not future.done():
                future.set_exception(error)
                future.exception()  # asyncio complains of one that nobody waits for
