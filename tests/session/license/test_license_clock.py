"""The license service's clock and ours: its midnight ends a limit, and one that is off is told."""

import pytest

from mmid.session.access import HOURS_S
from mmid.session.license.messages import Refusal
from tests.session.doubles import LicenseDesk, MemoryStore, token
from tests.session.license.keeping import REGISTERED, boot


async def test_a_daily_limit_waits_for_midnight_by_the_services_clock() -> None:
    desk = LicenseDesk(Refusal("200021", clock_skew_ms=3_600_000))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    parts.clock.offset_ms = -(parts.clock.now_ms() % 86_400_000)  # midnight in Greenwich
    assert HOURS_S[0] <= parts.access.long_wait_s() <= HOURS_S[1]
    await parts.refused()
    until_midnight_s = parts.access.long_wait_s() - 15 * 3600  # it is nine in Shanghai
    assert 0 <= until_midnight_s <= 1830


async def test_a_clock_that_is_far_off_is_told_once_even_if_nothing_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = LicenseDesk(token(life_s=0, skew_ms=-45_000))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    for _ in range(3):
        await parts.access.credential()
    told = [record.message for record in caplog.records if "clock" in record.message]
    assert told == ["the license service's clock is -45.0 s from ours: check NTP"]


async def test_a_refusal_with_a_good_clock_does_not_speak_of_it() -> None:
    desk = LicenseDesk(Refusal("100007", clock_skew_ms=1200))
    error, _ = await (await boot(desk)).refused()
    assert "clock" not in str(error)


async def test_a_wrong_clock_is_told_with_its_error() -> None:
    desk = LicenseDesk(Refusal("100010", clock_skew_ms=-3_600_000))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    error, _ = await parts.refused()
    assert "the service's clock is -3600.0 s from ours" in str(error)
    assert "-3600.0 s" in str(parts.status.license_error["message"])
    assert parts.access.clock_refused
