import array
import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmid.errors import AudioDeviceFailed, AudioFormatRefused
from mmid.hal import Player
from mmid.hal_linux.audio import device
from mmid.hal_linux.audio.playback import pcm
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.jitter import JitterBuffer
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from mmid.hal_linux.audio.playback.playout import Playout
from mmid.hal_linux.audio.ring import ByteRing
from mmid.secrets import Secret
from mmid.session.access import Credential
from mmid.session.clouds import cloud_of
from mmid.settings import Settings

RATE_HZ = 24000
LITTLE_BYTES = 8192

Define = Callable[[str], None]


class Audience:
    """Keeps what a player says, and when."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.times: list[float] = []
        self.failure: AudioDeviceFailed | None = None
        self.refused: list[str] = []
        self._news = asyncio.Event()

    def player_started(self) -> None:
        self._note("started")

    def player_finished(self) -> None:
        self._note("finished")

    def player_failed(self, error: AudioDeviceFailed) -> None:
        self.failure = error
        self._note("failed")

    def player_refused(self, error: AudioFormatRefused) -> None:
        self.refused.append(str(error))

    def _note(self, word: str) -> None:
        self.story.append(word)
        self.times.append(time.monotonic())
        self._news.set()

    async def until(self, word: str) -> None:
        async with asyncio.timeout(10):
            while word not in self.story:
                self._news.clear()
                await self._news.wait()


def player_on(device: str, gain: SoftwareGain | None = None) -> AlsaPlayer:
    return AlsaPlayer(device, RATE_HZ, 20, gain or SoftwareGain())


def reply(duration_ms: int) -> bytes:
    """Samples of which none is silent."""
    frames = RATE_HZ * duration_ms // 1000
    return array.array("h", [frame % 30000 + 1 for frame in range(frames)]).tobytes()


async def play(player: AlsaPlayer, data: bytes, audience: Audience) -> None:
    player.start(audience)
    for start in range(0, len(data), 1001):
        player.write(data[start : start + 1001])
        await asyncio.wait_for(player.wait_room(), 5)
    player.finish()
    await audience.until("finished")


class Loudspeaker:
    """The file that the PCMs play into."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def heard(self) -> bytes:
        return self._path.read_bytes()


@pytest.fixture
def out(define: Define, tmp_path: Path) -> Loudspeaker:
    path = tmp_path / "out.raw"
    define(
        f'pcm.file {{ type file slave.pcm null file "{path}" format raw }}\n'
        f'pcm.paced {{ type paced file "{path}" }}\n'
        f'pcm.converted {{ type rate slave {{ pcm "paced" rate 48000 }} }}\n'
        "pcm.late { type paced late_ms 150 }\n"
        f'pcm.unplugged {{ type paced heard "{path}" away "{tmp_path}/away" }}\n'
        f'pcm.suspended {{ type paced heard "{path}" suspend_ms 150 }}\n'
        f'pcm.heard {{ type paced heard "{path}" starts "{tmp_path}/starts" }}\n'
        "pcm.deaf { type paced deaf 1 }\n"
        "pcm.stuck { type paced stuck_ms 100 }\n"
        f'pcm.nowhere {{ type paced file "{tmp_path}/nowhere/out.raw" }}\n'
    )
    return Loudspeaker(path)


pytestmark = pytest.mark.usefixtures("virtual_time", "out")

both_kinds = pytest.mark.parametrize("device", ["file", "paced"])


async def test_a_file_gets_exactly_the_reply(out: Loudspeaker) -> None:
    data = reply(400)
    await play(player_on("file"), data, Audience())
    assert out.heard() == data


async def test_a_card_gets_the_reply_and_then_only_silence(out: Loudspeaker) -> None:
    data = reply(400)
    player = player_on("paced")
    await play(player, data, Audience())
    played = out.heard()
    assert played[: len(data)] == data
    assert not any(played[len(data) :])
    assert player.underruns == 0


async def test_a_loop_that_is_late_by_60_ms_lets_nothing_run_dry(out: Loudspeaker) -> None:
    data = reply(1500)
    player, audience = player_on("heard"), Audience()
    player.start(audience)
    player.write(data)
    player.finish()
    while player.playing:
        time.sleep(0.06)  # noqa: ASYNC251 - something else has the loop
        await asyncio.sleep(0.001)
    assert player.underruns == 0
    assert out.heard().startswith(data)


async def test_a_rate_converter_gets_the_last_word_through(out: Loudspeaker) -> None:
    data = reply(405)  # no whole number of periods
    await play(player_on("converted"), data, Audience())
    loud = out.heard().rstrip(b"\0")
    assert len(loud) >= 2 * len(data) - 8


@both_kinds
async def test_a_reply_takes_as_long_as_it_is_long(device: str) -> None:
    audience = Audience()
    player: Player = player_on(device)
    assert isinstance(player, AlsaPlayer)
    await play(player, reply(300), audience)
    assert audience.story == ["started", "finished"]
    assert audience.times[1] - audience.times[0] >= 0.299
    assert not player.playing


@both_kinds
async def test_what_the_device_still_holds_is_waited_for(device: str) -> None:
    player, audience = player_on(device), Audience()
    player.start(audience)
    player.write(reply(150))
    await audience.until("started")
    player.finish()
    await audience.until("finished")
    assert audience.times[1] - audience.times[0] >= 0.149


async def test_a_device_behind_the_clock_is_waited_for() -> None:
    audience = Audience()
    await play(player_on("late"), reply(100), audience)
    assert audience.times[1] - audience.times[0] >= 0.249


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 4000), max_size=12), duration_ms=st.integers(1, 120))
async def test_bytes_arrive_in_order_wherever_they_were_cut(
    out: Loudspeaker, cuts: list[int], duration_ms: int
) -> None:
    data = reply(duration_ms)
    player, audience = player_on("file"), Audience()
    player.start(audience)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in itertools.pairwise(edges):
        player.write(data[start:end])
        await player.wait_room()
    player.finish()
    await audience.until("finished")
    assert out.heard() == data


async def test_sound_begins_only_when_some_is_in_hand() -> None:
    player, audience = player_on("paced"), Audience()
    player.start(audience)
    player.write(reply(40))
    await asyncio.sleep(0.02)  # the network pauses
    assert audience.story == []
    player.write(reply(40))
    await audience.until("started")
    player.flush()


async def test_a_short_reply_is_played_without_waiting_for_more(out: Loudspeaker) -> None:
    data = reply(10)
    await play(player_on("file"), data, Audience())
    assert out.heard() == data


@both_kinds
async def test_a_decoder_waits_until_little_is_left_to_play(device: str) -> None:
    playout = Playout(player_on(device), SoftwareGain(), JitterBuffer(RATE_HZ, 50), Audience())
    playout.write(reply(600))
    began = time.monotonic()
    await asyncio.wait_for(playout.ring.wait_below(LITTLE_BYTES), 5)
    # 300 ms fit into the device and 170 ms are little: 130 ms had to be heard first.
    assert time.monotonic() - began >= 0.1
    playout.close()


async def test_the_network_waits_near_the_limit_and_not_before() -> None:
    player = player_on("paced")
    player.start(Audience())
    began = time.monotonic()
    for _ in range(ByteRing.READ_AHEAD_BYTES // 8000):
        player.write(bytes(8000))
        await asyncio.wait_for(player.wait_room(), 0.3)
    assert time.monotonic() - began < 0.3
    player.write(bytes(40_000))  # more than the device takes at once
    waiter = asyncio.ensure_future(player.wait_room())
    await asyncio.sleep(0)
    assert not waiter.done()
    await asyncio.wait_for(waiter, 5)
    player.flush()


@pytest.mark.parametrize("release", [AlsaPlayer.flush, AlsaPlayer.finish])
async def test_nobody_waits_after_the_end(release: Callable[[AlsaPlayer], None]) -> None:
    player = player_on("paced")
    player.start(Audience())
    player.write(bytes(ByteRing.LIMIT_BYTES))
    waiter = asyncio.ensure_future(player.wait_room())
    await asyncio.sleep(0)
    assert not waiter.done()
    release(player)
    for _ in range(3):
        await asyncio.sleep(0)
    assert waiter.done()
    await asyncio.wait_for(player.wait_room(), 5)
    player.flush()


@both_kinds
async def test_after_flush_there_is_silence_and_no_callback(
    device: str, out: Loudspeaker, caplog: pytest.LogCaptureFixture
) -> None:
    player, audience = player_on(device), Audience()
    player.start(audience)
    player.write(reply(1000))
    await audience.until("started")
    player.flush()
    assert len(out.heard()) < len(reply(1000))
    player.write(reply(100))
    player.finish()
    other = Audience()
    player.start(other)
    await asyncio.sleep(0.1)  # long enough for what should not come
    assert audience.story == ["started"]
    assert other.story == []
    assert caplog.records == []
    player.flush()


async def test_a_new_reply_flushes_the_old_one(out: Loudspeaker) -> None:
    player, old = player_on("file"), Audience()
    player.start(old)
    player.write(reply(500))
    await old.until("started")
    data = reply(50)
    await play(player, data, Audience())
    assert old.story == ["started"]
    assert out.heard() == data


@both_kinds
async def test_running_dry_is_counted_and_loses_nothing(device: str, out: Loudspeaker) -> None:
    data = reply(200)
    middle = len(data) // 2
    player, audience = player_on(device), Audience()
    player.start(audience)
    player.write(data[:middle])
    await audience.until("started")
    await asyncio.sleep(0.15)  # the network is late
    resumed = time.monotonic()
    player.write(data[middle:])
    player.finish()
    await audience.until("finished")
    assert audience.times[-1] - resumed >= 0.099
    assert player.underruns == 1
    assert audience.story == ["started", "finished"]
    loud = out.heard()
    assert loud[:middle] == data[:middle]
    edge = 0 if device == "file" else RATE_HZ * 5 // 1000 * 2
    rest = data[middle + edge :]
    assert loud.index(rest) >= middle
    if device == "file":
        assert loud == data


async def test_a_gap_is_silence_without_clicks_and_the_stream_never_stops(
    out: Loudspeaker, tmp_path: Path
) -> None:
    level = array.array("h", [8000] * (RATE_HZ // 10)).tobytes()
    # A long period: a machine that is busy with other tests may be late by as much.
    player, audience = AlsaPlayer("heard", RATE_HZ, 50, SoftwareGain()), Audience()
    player.start(audience)
    player.write(level)
    await audience.until("started")
    await asyncio.sleep(0.2)  # the network is late
    player.write(level)
    player.write(level)
    await asyncio.sleep(0.05)
    player.finish()
    await audience.until("finished")
    heard = array.array("h", out.heard())
    loud = [at for at, one in enumerate(heard) if one == 8000]
    spoken = heard[loud[0] : loud[-1] + 1]
    assert 0 in spoken
    steps = [abs(after - before) for before, after in itertools.pairwise(spoken)]
    assert max(steps) <= 100
    assert len(loud) >= 3 * RATE_HZ // 10 - RATE_HZ * 5 // 1000
    assert (tmp_path / "starts").read_bytes() == b"."
    assert player.underruns == 1


async def test_after_a_gap_the_next_reply_collects_more_before_it_starts() -> None:
    player = player_on("paced")
    for fill_ms in (60, 120):
        audience = Audience()
        player.start(audience)
        player.write(reply(fill_ms - 5))
        await asyncio.sleep(0.02)
        assert audience.story == []
        player.write(reply(6))
        await audience.until("started")
        await asyncio.sleep(fill_ms / 1000)
        player.write(reply(10))
        player.finish()
        await audience.until("finished")
    assert player.underruns == 2


async def test_an_interruption_is_silent_at_once(out: Loudspeaker) -> None:
    player, audience = player_on("heard"), Audience()
    player.start(audience)
    player.write(reply(1000))
    await audience.until("started")
    await asyncio.sleep(0.05)
    player.flush()
    playing_s = time.monotonic() - audience.times[0]
    await asyncio.sleep(0.25)  # longer than what the device held
    assert 0.04 < len(out.heard()) / 2 / RATE_HZ <= playing_s + 0.02


async def test_after_running_dry_some_is_collected_again() -> None:
    player, audience = player_on("paced"), Audience()
    player.start(audience)
    player.write(reply(60))
    await audience.until("started")
    for _ in range(3):
        await asyncio.sleep(0.08)  # each drop alone would run dry again
        player.write(reply(15))
    player.finish()
    await audience.until("finished")
    assert player.underruns == 1


async def test_a_late_end_of_a_reply_is_no_underrun() -> None:
    player, audience = player_on("paced"), Audience()
    player.start(audience)
    player.write(reply(100))
    await audience.until("started")
    await asyncio.sleep(0.15)
    player.finish()
    await audience.until("finished")
    assert player.underruns == 0


async def test_a_reply_without_samples_is_finished_at_once() -> None:
    player, audience = player_on("paced"), Audience()
    player.start(audience)
    player.finish()
    await audience.until("finished")
    assert audience.story == ["finished"]


async def test_half_a_sample_at_the_end_is_left_out(out: Loudspeaker) -> None:
    data = reply(20)
    await play(player_on("file"), data + b"\x01", Audience())
    assert out.heard() == data


def jumps(heard: bytes) -> list[int]:
    """Return where the samples of ``reply`` do not follow one another, as frames lost."""
    samples = array.array("h", heard.rstrip(b"\0"))
    return [
        after - before - 1 for before, after in itertools.pairwise(samples) if after - before != 1
    ]


@pytest.mark.usefixtures("either_version")
async def test_an_unplugged_device_is_waited_for_and_the_reply_goes_on(
    out: Loudspeaker, tmp_path: Path
) -> None:
    data = reply(1200)  # its end is far from the unplugging, also on a busy machine
    player, audience = player_on("unplugged"), Audience()
    said: list[str] = []

    def changed() -> None:
        said.append(player.format)
        if "is gone" in player.format and (tmp_path / "away").exists():
            asyncio.get_running_loop().call_later(0.1, (tmp_path / "away").unlink, True)

    player.observe(changed)
    player.start(audience)
    player.write(data)
    player.finish()
    await audience.until("started")
    await asyncio.sleep(0.1)
    (tmp_path / "away").touch()
    await audience.until("finished")
    assert all(-RATE_HZ * 3 // 10 <= jump < 0 for jump in jumps(out.heard()))  # none of it never
    assert out.heard().rstrip(b"\0")[-2:] == data[-2:]
    assert audience.story == ["started", "finished"]
    assert player.underruns == 1
    assert any("is gone" in text for text in said)
    assert player.format.startswith("24000 Hz mono S16_LE, period 20 ms, buffer 300 ms")


@pytest.mark.usefixtures("either_version")
async def test_a_suspended_device_goes_on_after_the_resume(out: Loudspeaker) -> None:
    data = reply(600)  # its end is far from what the suspend may cost
    player, audience = player_on("suspended"), Audience()
    await play(player, data, audience)
    assert all(-RATE_HZ * 3 // 10 <= jump < 0 for jump in jumps(out.heard()))
    assert out.heard().rstrip(b"\0")[-2:] == data[-2:]
    assert audience.story == ["started", "finished"]


async def test_a_device_that_does_not_come_back_ends_the_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_OUTAGE_S", 0.2)
    player, audience = player_on("unplugged"), Audience()
    player.start(audience)
    player.write(reply(1000))
    await audience.until("started")
    (tmp_path / "away").touch()
    await audience.until("failed")
    assert "'unplugged' is gone" in str(audience.failure)
    assert "is gone" in player.format
    assert not player.playing
    await asyncio.wait_for(player.wait_room(), 5)
    (tmp_path / "away").unlink()
    await play(player, reply(100), Audience())
    assert "is gone" not in player.format


async def test_an_interruption_while_the_device_is_away_ends_the_reply(tmp_path: Path) -> None:
    player, audience = player_on("unplugged"), Audience()
    player.start(audience)
    player.write(reply(1000))
    await audience.until("started")
    gone = asyncio.Event()
    player.observe(gone.set)
    (tmp_path / "away").touch()
    await asyncio.wait_for(gone.wait(), 5)
    player.flush()
    (tmp_path / "away").unlink()
    await asyncio.sleep(0.1)  # long enough for a try
    assert not player.playing
    assert audience.story == ["started"]


@pytest.mark.parametrize(
    ("device", "story"), [("stuck", ["started", "failed"]), ("deaf", ["failed"])]
)
async def test_a_device_that_plays_nothing_fails(
    device: str, story: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcm, "STUCK_S", 0.2)
    player, audience = player_on(device), Audience()
    player.start(audience)
    player.write(reply(1000))
    player.finish()
    await audience.until("failed")
    assert "played nothing" in str(audience.failure)
    assert audience.story == story
    assert player.underruns == 0


async def test_a_device_that_fails_while_it_is_written_to_is_told_from_the_loop_and_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: pcm.PlaybackPcm) -> int:
        raise AudioDeviceFailed("out of order")

    player, audience = player_on("paced"), Audience()
    player.start(audience)
    player.write(reply(150))
    await audience.until("started")
    monkeypatch.setattr(pcm.PlaybackPcm, "buffered", fail)
    player.write(reply(20))  # nothing waits before it: it is fed soon
    assert audience.story == ["started"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert audience.story == ["started", "failed"]


async def test_a_player_that_is_nearly_full_takes_the_largest_message_of_a_cloud() -> None:
    cloud = cloud_of("qwen-realtime")
    limit = cloud.endpoint(Settings(), Credential(Secret("key"))).message_limit_bytes
    player, audience = player_on("paced"), Audience()
    player.start(audience)
    player.write(bytes(ByteRing.READ_AHEAD_BYTES - 2))
    assert not player.full
    player.write(bytes(limit * 3 // 4))  # it came as base64
    for _ in range(3):
        await asyncio.sleep(0)
    assert audience.failure is None
    player.flush()


async def test_a_writer_that_never_waits_is_stopped() -> None:
    player, audience = player_on("paced"), Audience()
    player.start(audience)
    player.write(bytes(ByteRing.LIMIT_BYTES))
    player.write(bytes(2))
    player.finish()
    await audience.until("failed")
    assert "did not wait for room" in str(audience.failure)


async def test_a_new_volume_is_heard_in_the_reply_that_plays(out: Loudspeaker) -> None:
    gain = SoftwareGain()
    data = reply(400)
    player, audience = player_on("file", gain=gain), Audience()
    player.start(audience)
    player.write(data)
    player.finish()
    await audience.until("started")
    gain.set_muted(True)
    await audience.until("finished")
    played = out.heard()
    loud = played.rstrip(b"\0")
    assert len(played) == len(data)
    assert data.startswith(loud)
    assert 0 < len(loud) <= len(data) * 3 // 4 + 2000  # what the device had already


async def test_a_device_that_cannot_be_opened_is_named() -> None:
    player = player_on("nowhere")
    with pytest.raises(AudioDeviceFailed, match="'nowhere' does not exist"):
        player.start(Audience())
    assert not player.playing


class Stumbling(SoftwareGain):
    """Fails in a way that nobody foresaw."""

    def apply(self, data: bytes) -> bytes:  # noqa: ARG002
        raise RuntimeError("stumbled")


async def test_a_reply_that_an_unforeseen_error_ended_is_overdue() -> None:
    player = player_on("paced", gain=Stumbling())
    assert player.overdue_s == 0
    player.start(Audience())
    player.write(reply(400))
    await asyncio.sleep(0.4)  # it is what is told
    assert player.overdue_s > 0.2
    player.flush()
    assert player.overdue_s == 0


async def test_a_reply_that_waits_for_more_is_not_overdue(out: Loudspeaker) -> None:
    player, audience = player_on("file"), Audience()  # it knows no time: nothing is due
    player.start(audience)
    player.write(reply(400))
    await audience.until("started")
    await asyncio.sleep(0.3)
    assert player.overdue_s == 0
    player.finish()
    await audience.until("finished")
    assert out.heard() == reply(400)
