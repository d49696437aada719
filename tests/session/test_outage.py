"""What heals by itself is tried again, without storms, and told once."""

import asyncio
import itertools
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from mmid.events import DataInit, State
from mmid.session import supervisor
from mmid.session.backoff import Backoff
from mmid.session.dialects.multimodal_dialog import dialog
from mmid.session.effects import Emit
from mmid.session.endpoint import ClosedUnheard
from mmid.session.license.messages import Refusal
from mmid.settings import Settings
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.certificates import Certificates, make_certificates
from mmid.simcloud.core.scenario import Fault
from tests.session.doubles import LicenseDesk
from tests.session.supervised import NEVER_S, clouded, licensed, nobody, supervised
from tests.session.talking import settings_of

pytestmark = pytest.mark.usefixtures("quick_stop")


async def test_without_a_clock_nothing_is_signed_until_it_is_set(cloud_directory: Path) -> None:
    desk = LicenseDesk(Refusal("100007"))
    async with (
        clouded(cloud_directory) as cloud,
        supervised(licensed(cloud), desk, synchronized=False) as rig,
    ):
        await rig.error("clock")
        await asyncio.sleep(NEVER_S)
        assert rig.codes == ["clock"]
        assert desk.requests == []
        assert (rig.status.state, rig.status.clock_synchronized) == (State.CONNECTING, False)
        rig.clock.synchronized = True
        await rig.error("100007")
        assert rig.status.clock_synchronized


async def test_disconnect_ends_the_wait_for_the_clock(certificates: Certificates) -> None:
    async with supervised(nobody(certificates), synchronized=False) as rig:
        await rig.error("clock")
        rig.supervisor.disconnect()
        rig.clock.synchronized = True
        await rig.no_more_attempts()
        assert rig.status.state is State.OFFLINE


@pytest.mark.usefixtures("eager")
async def test_an_outage_is_told_once_and_not_at_its_first_moment(
    certificates: Certificates,
) -> None:
    async with supervised(nobody(certificates)) as rig:
        await rig.attempts(3)
        assert rig.codes == []
        await rig.attempts(10)
        assert rig.codes == ["connection-lost"]


@pytest.mark.usefixtures("eager")
async def test_a_cloud_that_closes_before_it_listens_is_an_outage_too(
    cloud_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fault = Fault("Started", "drop", times=1000)
    async with clouded(cloud_directory, fault) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.attempts(3)
        assert rig.codes == []
        await rig.attempts(10)
        assert rig.codes == ["connection-lost"]
        told = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert len(told) == 1


@pytest.mark.usefixtures("eager")
async def test_of_an_end_without_a_word_the_dialect_tells_and_nobody_else(
    cloud_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialog, "LinkClosed", ClosedUnheard)
    fault = Fault("Started", "drop", times=1000)
    async with clouded(cloud_directory, fault) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.attempts(6)
        assert rig.codes == []


@pytest.mark.usefixtures("eager")
async def test_the_next_outage_is_told_anew(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud:
        settings = settings_of(cloud)
        async with supervised(settings) as rig:
            await rig.listening()
            for outage in (1, 2):
                await cloud.__aexit__()
                await rig.error("connection-lost", nth=outage)
                await rig.attempts(rig.host.effects.count(Emit(DataInit())) + 5)
                assert rig.codes == ["connection-lost"] * outage
                await _restart(cloud, settings)
                await rig.listening(nth=outage + 1)


async def _restart(cloud: SimCloud, settings: Settings) -> None:
    """Start the cloud again where the settings expect it."""
    port = int(settings.cloud.ws_url.rpartition(":")[2].partition("/")[0])
    cloud._address = replace(cloud._address, port=port)
    await cloud.__aenter__()


@pytest.mark.usefixtures("eager")
async def test_a_certificate_that_is_not_trusted_is_told_once(
    cloud_directory: Path, tmp_path: Path
) -> None:
    other = make_certificates(tmp_path)
    async with clouded(cloud_directory) as cloud:
        settings = settings_of(cloud)
        wrong = replace(settings, cloud=replace(settings.cloud, ca_file=str(other.ca_file)))
        async with supervised(wrong) as rig:
            await rig.attempts(4)
            assert rig.codes == ["tls"]


async def test_a_cloud_that_drops_us_as_soon_as_it_listens_is_not_stormed(
    cloud_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "Backoff", lambda: Backoff(draw=lambda: 0.0))
    fault = Fault("Listening", "drop", times=1000)
    async with clouded(cloud_directory, fault) as cloud, supervised(settings_of(cloud)):
        connects = [await cloud.wait_for("connect", nth=nth) for nth in range(1, 8)]
        gaps = [late["t"] - early["t"] for early, late in itertools.pairwise(connects)]
        assert gaps[-1] > 4 * 0.1, "the waits grow, even with the shortest draws"
