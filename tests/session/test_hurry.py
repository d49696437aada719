"""A press asks for the next attempt sooner, and is told whether there is hope."""

import asyncio

import pytest

from mmid.events import DataDeinit, DataInit
from mmid.session import supervisor
from mmid.session.effects import Emit
from mmid.session.license.messages import Refusal
from mmid.simcloud.core.certificates import Certificates
from tests.session.doubles import LicenseDesk
from tests.session.supervised import asking, nobody, supervised

pytestmark = pytest.mark.usefixtures("quick_stop")


@pytest.mark.usefixtures("patient")
async def test_a_press_ends_a_long_wait_for_the_next_attempt(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_HURRY_S", 0.0)
    async with supervised(nobody(certificates)) as rig:
        for number in range(1, 4):
            await rig.attempts(number)
            await rig.host.wait_for(Emit(DataDeinit()), nth=number)
            await asyncio.sleep(0)
            assert rig.supervisor.hurry()
        await rig.attempts(4)


@pytest.mark.usefixtures("patient")
async def test_whoever_presses_again_and_again_makes_no_storm(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_HURRY_S", 3600.0)  # a machine may stall for two seconds
    async with supervised(nobody(certificates)) as rig:
        await rig.host.wait_for(Emit(DataDeinit()))
        for _ in range(100):
            assert rig.supervisor.hurry(), "a first attempt was made a moment ago"
            await asyncio.sleep(0)
        assert rig.host.events.count(DataInit()) == 1


async def test_there_is_no_hope_after_disconnect(certificates: Certificates) -> None:
    async with supervised(nobody(certificates)) as rig:
        await rig.attempts(1)
        rig.supervisor.disconnect()
        assert not rig.supervisor.hurry()
        rig.supervisor.connect()
        assert rig.supervisor.hurry()


@pytest.mark.usefixtures("eager")
async def test_there_is_no_hope_after_a_refusal(certificates: Certificates) -> None:
    desk = LicenseDesk(Refusal("100007"))
    async with asking(certificates, desk) as rig:
        await rig.error("100007")
        await asyncio.sleep(0)
        assert not rig.supervisor.hurry()
        await rig.no_more_attempts()
