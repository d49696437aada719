"""The loudspeaker's stream on a card that takes its time, and on a file that does not."""

import array
import asyncio
import errno
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from mmid.errors import AudioDeviceFailed, AudioFormatRefused
from mmid.hal_linux.audio.alsa import OpenPcm
from mmid.hal_linux.audio.echo.continuous_playback import ContinuousPlayback
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer

RATE_HZ = 16000
REPLY = array.array("h", [1000 + at % 8000 for at in range(RATE_HZ // 2)]).tobytes()


pytestmark = pytest.mark.usefixtures("virtual_time")


class Counter:
    """Counts what is played, as the canceller does."""

    def __init__(self) -> None:
        self.samples = b""
        self.positions: list[tuple[float, int, int]] = []
        self.breaks = 0

    def played(self, samples: bytes) -> None:
        self.samples += samples

    def playback_position(self, now: float, sounded: int, waiting: int) -> None:
        self.positions.append((now, sounded, waiting))

    def playback_broke(self) -> None:
        self.breaks += 1


class Audience:
    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.failure: AudioDeviceFailed | None = None

    def player_started(self) -> None:
        pass

    def player_finished(self) -> None:
        self.ended.set()

    def player_failed(self, error: AudioDeviceFailed) -> None:
        self.failure = error
        self.ended.set()

    def player_refused(self, error: AudioFormatRefused) -> None:
        raise error


class Stage:
    """A player whose replies go into a continuous stream."""

    def __init__(self, device: str) -> None:
        self.counter = Counter()
        self.player = AlsaPlayer(device, RATE_HZ, 20, SoftwareGain())
        self.playback = ContinuousPlayback(self.player.request, self.counter)
        alone = self.player.opener

        def opener() -> OpenPcm:
            return self.playback.open(alone)

        self.player.opener = opener

    async def play(self, reply: bytes) -> Audience:
        audience = Audience()
        self.player.start(audience)
        self.player.write(reply)
        self.player.finish()
        await asyncio.wait_for(audience.ended.wait(), 10)
        return audience

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the stream tells nobody
                await asyncio.sleep(0.005)


class Loudspeaker:
    """The file of what sounded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def heard(self) -> bytes:
        return self._path.read_bytes() if self._path.exists() else b""


@pytest.fixture
def loudspeaker(define: Callable[[str], None], tmp_path: Path) -> Loudspeaker:
    path = tmp_path / "heard.raw"
    files = f'heard "{path}" away "{tmp_path}/away" starts "{tmp_path}/starts"'
    define(
        f"pcm.card {{ type paced {files} }}\n"
        f'pcm.converted {{ type rate slave {{ pcm "card" rate 48000 }} }}\n'
        f'pcm.file {{ type file slave.pcm null file "{path}" format raw }}\n'
    )
    return Loudspeaker(path)


@pytest.fixture
async def stages() -> AsyncIterator[Callable[[str], Stage]]:
    made: list[Stage] = []

    def make(device: str) -> Stage:
        made.append(Stage(device))
        made[-1].playback.run()
        return made[-1]

    yield make
    for stage in made:
        stage.player.flush()
        stage.playback.stop()


MakeStage = Callable[[str], Stage]


@pytest.mark.parametrize("device", ["card", "file"])
async def test_replies_are_laid_into_silence_whole_and_counted(
    loudspeaker: Loudspeaker, stages: MakeStage, device: str
) -> None:
    stage = stages(device)
    await stage.play(REPLY)
    await stage.play(REPLY)
    assert stage.counter.samples.count(REPLY) == 2
    assert stage.counter.samples.replace(REPLY, b"").strip(b"\0") == b""
    if device == "card":  # the file is written at some time
        await stage.until(lambda: loudspeaker.heard().count(REPLY) == 2)
    assert stage.player.underruns == 0


async def test_a_reply_that_comes_at_its_pace_has_no_silence_in_it(
    loudspeaker: Loudspeaker, stages: MakeStage
) -> None:
    stage = stages("card")
    audience = Audience()
    stage.player.start(audience)
    for begin in range(0, len(REPLY), 1280):  # 40 ms
        stage.player.write(REPLY[begin : begin + 1280])
        await asyncio.sleep(0.039)
    stage.player.finish()
    await asyncio.wait_for(audience.ended.wait(), 10)
    await stage.until(lambda: REPLY in loudspeaker.heard())
    assert stage.player.underruns == 0


@pytest.mark.usefixtures("loudspeaker")
@pytest.mark.parametrize("reply", [b"", REPLY * 3])
async def test_a_loop_that_is_late_by_60_ms_lets_nothing_run_dry(
    stages: MakeStage, tmp_path: Path, reply: bytes
) -> None:
    stage = stages("card")
    stage.player.start(Audience())
    stage.player.write(reply)
    for _ in range(20):
        time.sleep(0.06)  # noqa: ASYNC251 - something else has the loop
        await asyncio.sleep(0.001)
    assert stage.player.underruns == 0
    assert Loudspeaker(tmp_path / "starts").heard() == b"."


async def test_the_stream_starts_once(
    loudspeaker: Loudspeaker, stages: MakeStage, tmp_path: Path
) -> None:
    stage = stages("card")
    await stage.play(REPLY)
    await stage.play(REPLY)
    stage.playback.stop()
    assert Loudspeaker(tmp_path / "starts").heard() == b"."
    assert stage.counter.breaks == 1
    assert loudspeaker.heard() in stage.counter.samples


@pytest.mark.parametrize("device", ["card", "converted", "file"])
async def test_its_positions_keep_to_the_clock(
    loudspeaker: Loudspeaker, stages: MakeStage, device: str
) -> None:
    stage = stages(device)
    await stage.play(REPLY)
    first, last = stage.counter.positions[2], stage.counter.positions[-1]
    assert (last[1] - first[1]) / RATE_HZ == pytest.approx(last[0] - first[0], abs=0.025)
    assert all(0 <= waiting <= 0.16 * RATE_HZ for _, _, waiting in stage.counter.positions)


async def test_a_reply_that_is_silenced_is_silent_soon_and_the_stream_goes_on(
    loudspeaker: Loudspeaker, stages: MakeStage, tmp_path: Path
) -> None:
    stage = stages("card")
    stage.player.start(Audience())
    stage.player.write(REPLY * 4)
    await stage.until(lambda: REPLY[:800] in loudspeaker.heard())
    before, silenced = len(loudspeaker.heard()), time.monotonic()
    stage.player.flush()
    await stage.until(lambda: loudspeaker.heard()[-400:] == bytes(400))
    assert time.monotonic() - silenced < 0.3
    sounded = array.array("h", loudspeaker.heard()[before:])
    loud = [at for at, sample in enumerate(sounded) if sample]
    assert loud[-1] < 0.18 * RATE_HZ
    assert abs(sounded[loud[-1]]) < 200, "a ramp, no click"
    await stage.play(REPLY)
    assert stage.counter.breaks == len((tmp_path / "starts").read_bytes())


async def test_a_loudspeaker_that_comes_back_plays_the_rest_and_the_break_is_told(
    loudspeaker: Loudspeaker, stages: MakeStage, tmp_path: Path
) -> None:
    stage = stages("card")
    audience = Audience()
    stage.player.start(audience)
    stage.player.write(REPLY * 2)
    stage.player.finish()
    await stage.until(lambda: REPLY[:800] in loudspeaker.heard())
    (tmp_path / "away").touch()
    await stage.until(lambda: "not working" in stage.player.format)
    (tmp_path / "away").unlink()
    await asyncio.wait_for(audience.ended.wait(), 10)
    assert audience.failure is None
    await stage.until(lambda: REPLY[-2000:] + bytes(100) in loudspeaker.heard())
    # As often as the card started; a loop that is late may let it run dry once more.
    assert stage.counter.breaks == len((tmp_path / "starts").read_bytes()) >= 2


async def test_a_loudspeaker_that_is_away_at_first_is_looked_for(
    loudspeaker: Loudspeaker, stages: MakeStage, tmp_path: Path
) -> None:
    (tmp_path / "away").touch()
    stage = stages("card")
    assert stage.counter.breaks == 0
    (tmp_path / "away").unlink()
    await stage.until(lambda: stage.counter.breaks == 1)
    await stage.play(REPLY)
    await stage.until(lambda: REPLY in loudspeaker.heard())


async def test_without_the_stream_a_reply_has_the_card_alone(loudspeaker: Loudspeaker) -> None:
    stage = Stage("card")
    await stage.play(REPLY)
    await stage.until(lambda: REPLY in loudspeaker.heard())
    assert stage.counter.samples == b""


async def test_a_reply_that_plays_when_the_microphone_closes_is_heard_out(
    loudspeaker: Loudspeaker, stages: MakeStage
) -> None:
    stage = stages("card")
    audience = Audience()
    stage.player.start(audience)
    stage.player.write(REPLY)
    stage.player.finish()
    stage.playback.stop()
    await asyncio.wait_for(audience.ended.wait(), 10)
    await stage.until(lambda: REPLY in loudspeaker.heard())
    assert stage.playback.overdue_s == 0


@pytest.mark.usefixtures("loudspeaker")
@pytest.mark.parametrize("late_s", [0.0, 0.02, 0.05])
@pytest.mark.parametrize("short_s", [0.0, 0.02, 0.04, 0.06, 0.08])
async def test_as_many_underruns_are_counted_as_gaps_are_heard(
    stages: MakeStage, short_s: float, late_s: float
) -> None:
    stage = stages("card")
    audience = Audience()
    stage.player.start(audience)
    for begin in range(0, len(REPLY), 4000):  # 125 ms, the next of which come sooner or later
        stage.player.write(REPLY[begin : begin + 4000])
        await asyncio.sleep(0.09 + short_s)
        time.sleep(late_s)  # noqa: ASYNC251 - something else has the loop
    stage.player.finish()
    await asyncio.wait_for(audience.ended.wait(), 10)
    played = stage.counter.samples.strip(b"\0")
    gaps = len([part for part in played.split(bytes(2 * 80)) if part.strip(b"\0")]) - 1
    assert stage.player.underruns == gaps


@pytest.mark.usefixtures("loudspeaker")
async def test_a_reply_whose_next_samples_come_behind_silence_is_told_so_once(
    stages: MakeStage,
) -> None:
    stage = stages("card")
    reply = stage.player.opener().pcm  # nobody serves it but this test: a player that is late
    for _ in range(2):
        reply.write(REPLY[:3200])
        await asyncio.sleep(0.3)
        assert reply.avail() == -errno.EPIPE
        assert reply.avail() > 0
    assert stage.counter.breaks == 1, "the card ran dry"
    reply.close()


async def test_a_small_buffer_is_filled_again_at_half_of_it_and_not_all_the_time(
    define: Callable[[str], None],
) -> None:
    sizes = "period_min_ms 20 period_max_ms 20 buffer_min_ms 80 buffer_max_ms 80"
    define(f"pcm.small {{ type paced rate {RATE_HZ} {sizes} }}\n")
    stage = Stage("small")
    stage.playback.run()
    await asyncio.sleep(2)
    assert stage.counter.breaks == 1, "it ran dry"
    assert len(stage.counter.positions) < 2 * 30
    stage.playback.stop()
