"""Replies that arrive as networks deliver them, through a card that takes its time."""

import array
import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.pcm import PlaybackPcm
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from tests.hal_linux.audio.playback.arrivals import PATTERNS, Frame, Pattern, needed_delay_s
from tests.hal_linux.audio.playback.test_player import Audience

RATE_HZ = 24000
LEVEL = 8000
FRAME_S = 0.1
REPLIES, REPLY_S = 3, 0.7

pytestmark = pytest.mark.usefixtures("virtual_time")


class Loudspeaker:
    """The file that the cards play into."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def silent_frames(self) -> int:
        """Return how many samples of silence went in between those of the reply."""
        return array.array("h", self._path.read_bytes().strip(b"\0")).count(0)


@pytest.fixture
def out(define: Callable[[str], None], tmp_path: Path) -> Loudspeaker:
    sizes = "period_min_ms 125 period_max_ms 125 buffer_min_ms 375 buffer_max_ms 375"
    define(
        "pcm.paced { type paced }\n"
        f'pcm.heard {{ type paced heard "{tmp_path}/heard" }}\n'
        f'pcm.coarse {{ type paced coarse 1 rate {RATE_HZ} {sizes} heard "{tmp_path}/heard" }}\n'
        f'pcm.fine {{ type paced rate {RATE_HZ} {sizes} heard "{tmp_path}/heard" }}\n'
        f'pcm.unplugged {{ type paced away "{tmp_path}/away" }}\n'
    )
    return Loudspeaker(tmp_path / "heard")


def player_on(device: str) -> AlsaPlayer:
    return AlsaPlayer(device, RATE_HZ, 20, SoftwareGain())


async def hear_out(player: AlsaPlayer, frames: Sequence[Frame]) -> float:
    """Play a reply that arrives so; return how long after its first frame it was heard."""
    audience, loop = Audience(), asyncio.get_running_loop()
    player.start(audience)
    began = loop.time()
    first = None
    for arrival, length in frames:
        await asyncio.sleep(began + arrival - loop.time())
        first = first or time.monotonic()
        player.write(array.array("h", [LEVEL] * round(RATE_HZ * length)).tobytes())
    player.finish()
    await audience.until("finished")
    assert first is not None
    return audience.times[0] - first


async def hear_some(pattern: Pattern) -> None:
    """Hear a few replies, of which the first tells how they arrive."""
    player, dice = player_on("paced"), Random(1)  # noqa: S311 - the same replies each time
    replies = [pattern.arrive(dice, FRAME_S, REPLY_S) for _ in range(REPLIES)]
    late_s = [await hear_out(player, replies[0])]
    underruns = player.underruns
    late_s += [await hear_out(player, frames) for frames in replies[1:]]
    assert player.underruns <= underruns + 1
    needed_s = max(pattern.needs_s, *map(needed_delay_s, replies))
    assert max(late_s) <= needed_s + 0.06


@pytest.mark.usefixtures("out")
async def test_replies_of_every_pattern_are_heard_without_gaps_and_soon() -> None:
    await asyncio.gather(*map(hear_some, PATTERNS.values()))


async def test_twice_real_time_with_one_frame_late_has_no_silence_in_it(out: Loudspeaker) -> None:
    frames = [(0.05 * number + 0.02 * (number == 1), 0.1) for number in range(10)]
    player = player_on("heard")
    await hear_out(player, frames)
    assert player.underruns == 0
    assert out.silent_frames() == 0


@pytest.mark.usefixtures("out")
async def test_what_waits_behind_other_sound_does_not_wake_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns, buffered = 0, PlaybackPcm.buffered

    def counted(pcm: PlaybackPcm) -> int:
        nonlocal turns
        turns += 1
        return buffered(pcm)

    monkeypatch.setattr(PlaybackPcm, "buffered", counted)
    await hear_out(player_on("paced"), [(0.002 * number, 0.02) for number in range(200)])
    assert turns < 40, "five a second, and as many as are collected before the reply starts"


@pytest.mark.parametrize("card", ["coarse", "fine"])
async def test_real_time_over_long_periods_has_no_gap(out: Loudspeaker, card: str) -> None:
    frames = [(0.1 * number, 0.1) for number in range(9)]
    player = player_on(card)
    await hear_out(player, frames)
    assert "period 125 ms, buffer 375 ms" in player.format
    assert player.underruns == 0
    assert out.silent_frames() == 0


@pytest.mark.usefixtures("out")
async def test_a_card_that_went_and_came_back_starts_as_was_learned_before(tmp_path: Path) -> None:
    fast = [(0.02 * number, 0.1) for number in range(5)]
    player, away = player_on("unplugged"), tmp_path / "away"
    await hear_out(player, fast)
    player.observe(lambda: away.unlink(missing_ok=True) if "is gone" in player.format else None)
    asyncio.get_running_loop().call_later(0.2, away.touch)
    await hear_out(player, fast)
    assert "is gone" not in player.format
    assert await hear_out(player, fast) < 0.02


# 2000 ppm in twenty minutes are as far off as 100 ppm in a reply of seven hours.
@pytest.mark.parametrize("drift_ppm", [150, -2000])
async def test_twenty_minutes_on_a_card_whose_clock_is_faster_or_slower_have_no_gap(
    define: Callable[[str], None], compile_plugin: Callable[[str], Path], drift_ppm: int
) -> None:
    plugin = compile_plugin("room_pcm.c")
    card = f"pcm.card {{ type room drift_ppm {drift_ppm} }}"
    define(f'pcm_type.room {{ lib "{plugin}" }}\n{card}\n')
    player, loop = AlsaPlayer("card", 8000, 20, SoftwareGain()), asyncio.get_running_loop()
    audience, began = Audience(), loop.time()
    player.start(audience)
    for turn in range(120):
        player.write(array.array("h", [LEVEL] * 8000 * 10).tobytes())
        await asyncio.sleep(began + 10 * turn + 9 - loop.time())
    player.finish()
    await audience.until("finished")
    assert player.underruns == 0
