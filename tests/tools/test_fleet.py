"""The simulated fleet keeps the promises of docs/fleet.md, at a smaller scale."""

import pytest

from mmid.session.backoff import CAP_S
from tools.fleet import Fleet, main

DEVICES = 5000
# Five thousand random draws a second stray by some percent.
STRAY = 1.15


def test_the_first_seconds_are_the_busiest_and_then_it_calms_down() -> None:
    outcome = Fleet(DEVICES).outage(120)
    assert outcome.peak(0, 1) <= 1.2 * STRAY * DEVICES
    assert outcome.peak(16, 60) <= 0.085 * STRAY * DEVICES
    assert outcome.peak(60, 120) <= 0.034 * STRAY * DEVICES


def test_the_return_of_the_cloud_makes_no_wave_and_everybody_is_back_in_a_minute() -> None:
    outcome = Fleet(DEVICES).outage(120)
    assert outcome.peak(120) <= 0.034 * STRAY * DEVICES
    assert outcome.back_after_s(0.99) <= CAP_S
    assert sum(outcome.back) == DEVICES


def test_a_cloud_that_lets_in_few_is_not_knocked_at_harder() -> None:
    outcome = Fleet(DEVICES).outage(60, capacity=DEVICES // 100)
    assert max(outcome.back) <= DEVICES // 100
    assert outcome.peak(120) <= 0.034 * STRAY * DEVICES
    assert sum(outcome.back) == DEVICES
    assert outcome.back_after_s(0.99) <= 3 * 100, "a third of what it could let in at best"


def test_a_short_break_is_over_in_seconds() -> None:
    outcome = Fleet(DEVICES).outage(2)
    assert outcome.back_after_s(0.99) <= 8


def test_the_same_seed_gives_the_same_outcome() -> None:
    assert Fleet(500, seed=3).outage(30) == Fleet(500, seed=3).outage(30)
    assert Fleet(500, seed=3).outage(30) != Fleet(500, seed=4).outage(30)


def test_it_prints_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--devices", "200", "--outage-s", "20"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "200 devices, 20 s without the cloud"
    assert any(line.startswith("   99%") for line in lines)
