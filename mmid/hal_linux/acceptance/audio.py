"""The acceptance test of the sound devices, through the HAL as a dialog uses it.

``check_recorder`` and ``check_player`` see whether they run, at their rate and
without a gap: silence is played and what is recorded is thrown away, so this
can run anywhere. ``record_sweep`` plays and records what ``acoustic`` judges:
whether a loudspeaker hangs on the card, and what a customer would hear.
"""

import asyncio
from collections.abc import Awaitable, Callable

from mmid.errors import AudioDeviceFailed, AudioFormatRefused, MmidError
from mmid.hal import Player, Recorder
from mmid.hal_linux.acceptance import CheckResult
from mmid.hal_linux.acceptance.acoustic import LEAD_S, RECORDING_S, Recording, sweep

# Enough to tell whether samples flow without a gap, but hardly at which rate; no time to wait for.
GLANCE_S = 0.3

# Beyond the time that a good device needs: opening a slow one, or one that does not get on.
_SLACK_S = 3.0

# A crystal is right to 0.01 %; what is allowed is the loop being late. A wrong
# rate (44100 for 48000, 16000 for 24000) is off by far more.
_RATE_TOLERANCE = 0.05

_SAMPLE_BYTES = 2

# Any will do, whatever the settings say: the check is that the encoder works.
_BITS_PER_S = 32000


async def check_recorder(recorder: Recorder, rate_hz: int, run_s: float = 1.0) -> CheckResult:
    """Record for so many seconds, and check rate and overruns."""
    return await _twice(lambda: _check_recorder(recorder, rate_hz, run_s))


async def check_player(player: Player, rate_hz: int, run_s: float = 1.0) -> CheckResult:
    """Play so many seconds of silence, and check how long it took, and underruns."""
    return await _twice(lambda: _check_player(player, rate_hz, run_s))


async def _twice(check: Callable[[], Awaitable[CheckResult]]) -> CheckResult:
    """Give a device that ran, but not well, a second chance: the board may have been busy."""
    result = await check()
    return result if result.passed or not result.measured else await check()


async def _check_recorder(recorder: Recorder, rate_hz: int, run_s: float) -> CheckResult:
    overruns = recorder.overruns
    capture = _Capture(int(run_s * rate_hz))
    try:
        recorder.start(capture)
        capture.since = asyncio.get_running_loop().time()  # the device is open now
        async with asyncio.timeout(run_s + _SLACK_S):
            await capture.full
    except AudioDeviceFailed as error:
        return CheckResult("recorder", False, str(error))
    except TimeoutError:
        gave = f"gave {capture.frames} samples in {run_s + _SLACK_S:g} s"
        return CheckResult("recorder", False, f"{recorder.device} {gave}, not {run_s * rate_hz:g}")
    finally:
        recorder.stop()
    lost = recorder.overruns - overruns
    measured = {"rate_hz": round(capture.fastest_hz), "overruns": lost}
    if lost:
        return CheckResult("recorder", False, f"{recorder.device} overran {lost} times", measured)
    detail = f"{recorder.device} at {capture.fastest_hz:.0f} Hz, {rate_hz} wanted, no overrun"
    passed = abs(capture.fastest_hz / rate_hz - 1) <= _tolerance(run_s)
    return CheckResult("recorder", passed, detail, measured)


async def _check_player(player: Player, rate_hz: int, run_s: float) -> CheckResult:
    underruns = player.underruns
    playback = _Playback()
    try:
        playback.play(player, bytes(int(run_s * rate_hz) * _SAMPLE_BYTES))
        async with asyncio.timeout(run_s + _SLACK_S):
            started, finished = await asyncio.gather(playback.started, playback.finished)
    except AudioDeviceFailed as error:
        return CheckResult("player", False, str(error))
    except TimeoutError:
        text = f"{player.device} did not play {run_s:g} s in {run_s + _SLACK_S:g} s"
        return CheckResult("player", False, text)
    finally:
        player.flush()
    empty = player.underruns - underruns
    lasted_s = finished - started
    measured = {"lasted_ms": round(lasted_s * 1000), "underruns": empty}
    if empty:
        return CheckResult("player", False, f"{player.device} ran dry {empty} times", measured)
    detail = f"{player.device} played {run_s:g} s in {lasted_s:.2f} s, no underrun"
    early, late = run_s * (1 - _RATE_TOLERANCE), run_s * (1 + 4 * _tolerance(run_s))
    return CheckResult("player", early <= lasted_s <= late, detail, measured)


def _tolerance(run_s: float) -> float:
    """Return by how much a rate may be off: in a short run one late wake-up weighs more."""
    return _RATE_TOLERANCE / min(1.0, run_s)


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

    def pack() -> CheckResult:
        from mmid.hal_linux.audio.codecs import make_encoder  # noqa: PLC0415 - only if asked for

        encoder = make_encoder(mode, rate_hz, _BITS_PER_S)
        packets = len(list(encoder.encode(bytes(rate_hz * _SAMPLE_BYTES))))
        detail = f"{mode} at {rate_hz} Hz: {packets} packets a second"
        return CheckResult("encoder", packets > 0, detail, {"packets": packets})

    return _check_codec("encoder", mode, pack)


def check_decoder(mode: str, rate_hz: int) -> CheckResult:
    """Check that the codec of the replies is installed."""

    def load() -> CheckResult:
        from mmid.hal_linux.audio.codecs import make_decoder  # noqa: PLC0415 - only if asked for

        make_decoder(mode, rate_hz)
        return CheckResult("decoder", True, f"{mode} at {rate_hz} Hz")

    return _check_codec("decoder", mode, load)


def _check_codec(name: str, mode: str, check: Callable[[], CheckResult]) -> CheckResult:
    if mode == "pcm":
        return CheckResult(name, True, "pcm needs none")
    try:
        return check()
    except MmidError as error:
        return CheckResult(name, False, str(error))


class _Capture:
    """Keeps what a recorder gives, until it is enough, and how fast it came.

    Args:
        wanted_frames: how many samples are enough.
    """

    def __init__(self, wanted_frames: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._wanted_frames = wanted_frames
        self.since = self._loop.time()
        self.samples = bytearray()
        self.fastest_hz = 0.0
        self.full: asyncio.Future[None] = self._loop.create_future()

    @property
    def frames(self) -> int:
        """How many samples came."""
        return len(self.samples) // _SAMPLE_BYTES

    def recorder_audio(self, data: bytes) -> None:
        if self.full.done():
            return
        self.samples += data
        # Samples come late when the loop is busy, never early: the fastest is the truth.
        if self.frames >= self._wanted_frames // 2:
            elapsed = self._loop.time() - self.since
            self.fastest_hz = max(self.fastest_hz, self.frames / elapsed)
        if self.frames >= self._wanted_frames:
            self.full.set_result(None)

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        if not self.full.done():
            self.full.set_exception(error)
            self.full.exception()  # asyncio complains of one that nobody waits for


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

    def player_refused(self, error: AudioFormatRefused) -> None:
        """Do nothing: a sound of ours is samples."""
