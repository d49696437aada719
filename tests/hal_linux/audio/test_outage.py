import pytest

from mmid.hal_linux.audio.outage import Outage


def delays(outage: Outage, now: float) -> list[float]:
    found = []
    while (delay := outage.next_delay(now)) is not None:
        found.append(delay)
        now += delay
    return found


def test_tries_are_quick_at_first_then_rare_and_end_after_four_seconds() -> None:
    found = delays(Outage(), 100.0)
    assert found[:5] == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32])
    assert set(found[5:]) == {0.32}
    assert 3.5 < sum(found) <= 4.0


def test_a_device_that_only_opens_is_still_out() -> None:
    outage = Outage()
    outage.next_delay(0.0)
    assert outage.next_delay(4.1) is None


def test_after_samples_flowed_the_next_outage_has_all_its_time() -> None:
    outage = Outage()
    delays(outage, 0.0)
    outage.end()
    assert outage.next_delay(10.0) == pytest.approx(0.02)
