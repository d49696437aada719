"""When a sound device that went away is opened again."""

import asyncio

import pytest

from mmid.hal_linux.audio.alsa import Direction, PcmRequest
from mmid.hal_linux.audio.device import SoundDevice


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The loop's time, as its only member."""
    now = [100.0]

    class Loop:
        def time(self) -> float:
            return now[0]

    monkeypatch.setattr(asyncio, "get_running_loop", Loop)
    return now


def device() -> SoundDevice:
    return SoundDevice(PcmRequest(Direction.CAPTURE, "card", 16000, 20, 500))


def delays(device: SoundDevice, now: list[float]) -> list[float]:
    found = []
    while (delay := device.next_try_s()) is not None:
        found.append(delay)
        now[0] += delay
    return found


def test_tries_are_quick_at_first_then_rare_and_end_after_four_seconds(now: list[float]) -> None:
    found = delays(device(), now)
    assert found[:5] == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32])
    assert set(found[5:]) == {0.32}
    assert 3.5 < sum(found) <= 4.0


def test_a_device_that_only_opens_is_still_out(now: list[float]) -> None:
    out = device()
    out.next_try_s()
    now[0] += 4.1
    assert out.next_try_s() is None


def test_after_samples_flowed_the_next_outage_has_all_its_time(now: list[float]) -> None:
    out = device()
    delays(out, now)
    out.works()
    assert out.next_try_s() == pytest.approx(0.02)
