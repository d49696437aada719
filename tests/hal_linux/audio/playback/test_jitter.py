"""The jitter buffer in virtual time: replies of each pattern, and what a listener hears."""

import itertools
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.hal_linux.audio.playback.jitter import JitterBuffer
from tests.hal_linux.audio.playback.arrivals import PATTERNS, Frame, needed_delay_s

RATE_HZ, BYTES_PER_S = 24000, 48000
FIRST_MS = 50
PERIOD_S = 0.02
REPLIES, REPLY_S = 50, 3.0


def hear(buffer: JitterBuffer, frames: list[Frame]) -> tuple[float, int]:
    """Play a reply as the playout does: silence goes in when a period is left.

    Returns:
        how long after its first frame it began, in seconds, and its gaps.
    """
    began, gaps = inf, 0
    came_s = played_s = 0.0
    starts = inf
    playing = False
    for arrival, length in frames:
        playing = playing or starts <= arrival
        began = min(began, starts) if playing else began
        if playing and arrival > starts + came_s - played_s - PERIOD_S:
            gaps += 1
            buffer.ran_dry()
            playing, played_s = False, came_s
        buffer.arrived(arrival, round(length * BYTES_PER_S))
        came_s += length
        if not playing:
            waiting = round((came_s - played_s) * BYTES_PER_S)
            starts = max(arrival, buffer.start_at(waiting, PERIOD_S))
    buffer.reply_ended()
    # The reply's end is known with its last frame: then nothing more is waited for.
    return min(began, starts, frames[-1][0]) - frames[0][0], gaps


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("frame_s", [0.02, 0.06, 0.1])
@pytest.mark.parametrize("name", PATTERNS)
def test_of_fifty_replies_one_may_have_a_gap_and_none_starts_late(
    name: str, frame_s: float, seed: int
) -> None:
    dice = Random(seed)  # noqa: S311 - the same replies each time
    buffer, pattern = JitterBuffer(RATE_HZ, FIRST_MS), PATTERNS[name]
    replies = [pattern.arrive(dice, frame_s, REPLY_S) for _ in range(REPLIES)]
    needed_s = max(pattern.needs_s, *map(needed_delay_s, replies))
    heard = [hear(buffer, frames) for frames in replies]
    # That there will be a stall nobody can know in the first reply.
    foreseen = heard[1:] if needed_s > 0.4 else heard
    assert sum(gaps for _, gaps in foreseen) <= 1
    # A buffer could have avoided a gap if one of the replies before asked for as much.
    asked = [needed_delay_s(frames) for frames in replies]
    longest = itertools.accumulate(asked, max)
    before = zip(heard[1:], asked[1:], longest, strict=False)
    assert sum(gaps for (_, gaps), now, most in before if now <= most) <= 1
    assert max(delay_s for delay_s, _ in heard) <= needed_s + 0.06


def steady(late_s: float = 0.0) -> list[Frame]:
    """A reply in real time, of which one frame is late."""
    return [(0.1 * number + late_s * (number == 5), 0.1) for number in range(10)]


def start_of_next(buffer: JitterBuffer) -> float:
    """Return how long after its first frame another reply would start."""
    buffer.arrived(7.0, 4800)
    starts = buffer.start_at(4800, PERIOD_S)
    buffer.reply_ended()  # of one frame nothing is learned
    return starts - 7.0


def test_the_first_reply_starts_when_the_setting_says() -> None:
    for first_ms in (0, 50, 500):
        assert start_of_next(JitterBuffer(RATE_HZ, first_ms)) == pytest.approx(first_ms / 1000)


def test_a_network_that_got_worse_is_learned_from_one_reply() -> None:
    buffer = JitterBuffer(RATE_HZ, FIRST_MS)
    for _ in range(50):
        hear(buffer, steady())
    assert start_of_next(buffer) < 0.06
    hear(buffer, steady(late_s=0.3))
    assert start_of_next(buffer) > 0.34


def test_one_odd_reply_is_outweighed_by_three_and_a_bad_network_by_fifty() -> None:
    buffer = JitterBuffer(RATE_HZ, FIRST_MS)
    for odd, good in ((0, 50), (1, 4), (50, 50)):
        for _ in range(odd):
            hear(buffer, steady(late_s=0.3))
        for _ in range(good):
            hear(buffer, steady())
        assert start_of_next(buffer) < 0.06


def test_a_pause_that_no_buffer_could_bridge_delays_no_other_reply() -> None:
    buffer = JitterBuffer(RATE_HZ, FIRST_MS)
    for _ in range(10):
        hear(buffer, [(0.0, 0.1), (0.1, 0.1), (3.0, 0.1), (3.1, 0.1)])
        assert start_of_next(buffer) < 0.06


def test_who_sends_far_ahead_may_rest() -> None:
    buffer = JitterBuffer(RATE_HZ, FIRST_MS)
    for _ in range(10):
        hear(buffer, [(0.001 * number + 4.0 * (number >= 50), 0.1) for number in range(100)])
        assert start_of_next(buffer) <= 0


def test_a_long_period_is_collected_twice_beyond_what_arrivals_ask_for() -> None:
    buffer = JitterBuffer(RATE_HZ, FIRST_MS)
    hear(buffer, steady())
    buffer.arrived(7.0, 4800)
    assert buffer.start_at(4800, 0.125) == pytest.approx(7.25, abs=0.01)


def test_a_reply_of_thousands_of_gaps_is_played_to_its_end() -> None:
    buffer = JitterBuffer(RATE_HZ, FIRST_MS)
    buffer.arrived(7.0, 4800)
    for _ in range(5000):
        buffer.ran_dry()
    assert buffer.start_at(4800, 0.02) == pytest.approx(7.5)


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 2), st.integers(1, 100_000)), max_size=20), max_size=20
    )
)
def test_whatever_arrives_the_start_is_bounded_and_so_is_what_is_remembered(
    replies: list[list[tuple[float, int]]],
) -> None:
    buffer, now = JitterBuffer(RATE_HZ, FIRST_MS), 100.0
    for reply in replies:
        waiting = 0
        for pause_s, count in reply:
            now, waiting = now + pause_s, waiting + count
            buffer.arrived(now, count)
            assert buffer.start_at(waiting, 0.5) - now < 1.001
        buffer.reply_ended()
        assert -0.051 < start_of_next(buffer) < 0.551
    assert len(buffer._shares) == 121
    assert sum(buffer._shares) == pytest.approx(float(buffer._replies > 0))
