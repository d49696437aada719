"""How the frames of a reply arrive: the patterns that the jitter buffer is measured with."""

import itertools
from collections.abc import Callable
from random import Random
from typing import NamedTuple

# When a frame arrives after the reply's first could, and how long it sounds; both in seconds.
Frame = tuple[float, float]
Arrive = Callable[[Random, float, float], list[Frame]]


class Pattern(NamedTuple):
    """How replies arrive, and how long after its first frame such a reply must start.

    Attributes:
        arrive: makes a reply with frames of one length, both in seconds.
        needs_s: what it needs at worst; 0 if there is no chance in it.
    """

    arrive: Arrive
    needs_s: float


def _in_order(frames: list[Frame]) -> list[Frame]:
    """A connection delivers in order: what was sent behind a late frame is late, too."""
    arrivals = itertools.accumulate((arrival for arrival, _ in frames), max)
    return [(arrival, frame[1]) for arrival, frame in zip(arrivals, frames, strict=True)]


def jitter(most_s: float) -> Arrive:
    """Real time, each frame late by up to so much."""

    def pattern(dice: Random, frame_s: float, reply_s: float) -> list[Frame]:
        count = round(reply_s / frame_s)
        return _in_order([(n * frame_s + dice.uniform(0, most_s), frame_s) for n in range(count)])

    return pattern


def burst(dice: Random, frame_s: float, reply_s: float) -> list[Frame]:
    """A first frame, nothing for 150 ms, then all at once."""
    count = round(reply_s / frame_s)
    return _in_order([(min(n, 1) * 0.15 + dice.uniform(0, 0.001), frame_s) for n in range(count)])


def chunks(dice: Random, _frame_s: float, reply_s: float) -> list[Frame]:
    """Three times real time, in chunks of 200 ms."""
    count = round(reply_s / 0.2)
    return _in_order([(n * 0.2 / 3 + dice.uniform(0, 0.001), 0.2) for n in range(count)])


def late_frames(dice: Random, frame_s: float, reply_s: float) -> list[Frame]:
    """Real time, one frame in twenty 120 ms late."""
    count = round(reply_s / frame_s)
    late = [0.12 * (dice.random() < 0.05) for _ in range(count)]
    return _in_order([(n * frame_s + late[n], frame_s) for n in range(count)])


def stall(dice: Random, frame_s: float, reply_s: float) -> list[Frame]:
    """Real time with 60 ms of jitter, and once in the reply nothing for 400 ms."""
    begins = dice.uniform(0, reply_s - 0.4)
    frames = jitter(0.06)(dice, frame_s, reply_s)
    return [
        (begins + 0.4 if begins < arrival < begins + 0.4 else arrival, length)
        for arrival, length in frames
    ]


PATTERNS = {
    "steady": Pattern(jitter(0.0), 0.0),
    "jitter of 20 ms": Pattern(jitter(0.02), 0.02),
    "jitter of 40 ms": Pattern(jitter(0.04), 0.04),
    "jitter of 80 ms": Pattern(jitter(0.08), 0.08),
    "first frame, pause, burst": Pattern(burst, 0.0),
    "3x in chunks": Pattern(chunks, 0.0),
    "one frame in twenty late": Pattern(late_frames, 0.12),
    "jitter and a stall": Pattern(stall, 0.46),
}


def needed_delay_s(frames: list[Frame]) -> float:
    """Return how long after its first frame a reply must start to have no gap."""
    places = itertools.accumulate((length for _, length in frames), initial=0.0)
    late = [arrival - place for (arrival, _), place in zip(frames, places, strict=False)]
    return max(late) - frames[0][0]
