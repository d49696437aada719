"""The waits between attempts: spread, doubling, bounded, and never a storm."""

import random
from collections.abc import Iterator
from itertools import accumulate

from mmid.session.backoff import CAP_S, FIRST_S, HEALTHY_S, Backoff


def waits(backoff: Backoff, count: int) -> Iterator[float]:
    """Return the next waits."""
    return (backoff.next_wait() for _ in range(count))


def test_the_first_wait_is_within_a_second() -> None:
    assert FIRST_S == 1.0
    assert 0 < Backoff(lambda: 0.0).next_wait() < Backoff(lambda: 1.0).next_wait() <= 1.0


def test_the_range_doubles_up_to_a_minute_and_stays_there() -> None:
    reach = list(waits(Backoff(lambda: 1.0), 9))
    assert reach == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_every_wait_is_drawn_from_nearly_the_whole_range() -> None:
    short, long = Backoff(lambda: 0.0), Backoff(lambda: 1.0)
    for low, high in zip(waits(short, 9), waits(long, 9), strict=True):
        assert 0 < low <= high / 10


def test_attempts_are_counted_and_a_success_begins_a_new_series() -> None:
    backoff = Backoff(lambda: 1.0)
    list(waits(backoff, 5))
    assert backoff.attempts == 5
    backoff.succeeded(HEALTHY_S)
    assert backoff.attempts == 0
    assert backoff.next_wait() == FIRST_S


def test_the_longest_wait_is_from_the_widest_range_and_stays_there() -> None:
    backoff = Backoff(lambda: 1.0)
    assert backoff.longest_wait() == CAP_S
    assert backoff.next_wait() == CAP_S


def test_years_of_failures_do_not_overflow() -> None:
    backoff = Backoff(lambda: 1.0)
    assert list(waits(backoff, 5000))[-1] == CAP_S


def attempts_within(seconds: float, backoff: Backoff) -> int:
    """Return how many attempts are made, the first at 0, if each fails at once."""
    times = accumulate(waits(backoff, 100), initial=0.0)
    return sum(time <= seconds for time in times)


def test_the_unluckiest_draws_make_at_most_14_attempts_in_14_s() -> None:
    assert attempts_within(14, Backoff(lambda: 0.0)) <= 14


def test_random_draws_make_at_most_14_attempts_in_14_s() -> None:
    for seed in range(50):
        draw = random.Random(seed).random  # noqa: S311 - not a secret
        assert attempts_within(14, Backoff(draw)) <= 14, f"seed {seed}"


def test_a_fleet_that_lost_the_cloud_at_one_moment_comes_back_spread() -> None:
    draw = random.Random(7).random  # noqa: S311 - not a secret
    tenths = {int(Backoff(draw).next_wait() * 10) for _ in range(500)}
    assert tenths == set(range(1, 10))


def test_short_lives_begin_a_new_series_only_so_often() -> None:
    backoff = Backoff(draw=lambda: 0.0)
    came = []
    for _ in range(8):
        came.append(backoff.next_wait())
        backoff.succeeded(0.1)
    assert came[:4] == [came[0]] * 4
    assert came[4:] == sorted(came[4:])
    assert came[-1] > 4 * came[0]


def test_a_good_dialog_forgives_the_short_ones_before() -> None:
    backoff = Backoff(draw=lambda: 0.0)
    first = backoff.next_wait()
    for _ in range(8):
        backoff.succeeded(0.1)
        backoff.next_wait()
    backoff.succeeded(HEALTHY_S)
    assert backoff.next_wait() == first
