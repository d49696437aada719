"""What cannot heal by itself is told once, and asked again only when something changed."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from mmid.errors import MalformedMessage
from mmid.events import DataDeinit, DataInit, State
from mmid.secrets import Secret
from mmid.session.clouds import with_own_rates
from mmid.session.effects import Emit, Next
from mmid.session.license.messages import Refusal
from mmid.session.license.record import DeviceRecord
from mmid.settings import Cloud, License, Settings
from mmid.simcloud.core.certificates import Certificates
from mmid.simcloud.core.scenario import Fault
from mmid.status import LicenseState
from tests.session.doubles import LicenseDesk, MemoryStore, peer, registration
from tests.session.supervised import NEVER_S, asking, clouded, nobody, supervised
from tests.session.talking import AMPLE_S, settings_of

pytestmark = pytest.mark.usefixtures("quick_stop")


@pytest.mark.usefixtures("eager")
async def test_a_refusal_stops_and_is_told_once(certificates: Certificates) -> None:
    desk = LicenseDesk(Refusal("100007"))
    async with asking(certificates, desk) as rig:
        await rig.error("100007")
        await rig.no_more_attempts()
        assert rig.codes == ["100007"]
        assert desk.kinds == ["register"]
        assert rig.status.license_state is LicenseState.REFUSED


@pytest.mark.usefixtures("eager")
async def test_register_asks_again_and_tells_again_what_comes_of_it(
    certificates: Certificates,
) -> None:
    desk = LicenseDesk(Refusal("100007"))
    async with asking(certificates, desk) as rig:
        await rig.error("100007")
        rig.supervisor.register()
        await rig.error("100007", nth=2)
        assert desk.kinds == ["register", "register"]


async def test_a_relay_that_always_wants_to_be_asked_in_a_second_is_asked_less_and_less(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with supervised(nobody(certificates)) as rig:
        monkeypatch.setattr(rig.supervisor._access, "long_wait_s", lambda: 1.0)
        waits = [rig.supervisor._wait_s(Next.HOURS) or 0.0 for _ in range(9)]
        assert min(waits) >= 1.0
        assert waits[-1] >= 6.0


@pytest.mark.usefixtures("eager")
async def test_a_quota_that_is_used_up_keeps_the_state_and_waits_for_hours(
    certificates: Certificates,
) -> None:
    desk = LicenseDesk(registration(), Refusal("200014"))
    async with asking(certificates, desk) as rig:
        await rig.error("200014")
        await asyncio.sleep(NEVER_S)
        assert desk.kinds == ["register", "token"]
        assert rig.status.license_state is LicenseState.REGISTERED
        error = rig.status.license_error
        assert (error["code"], error["remedy"]) == ("200014", "buy")
        assert 3_600_000 < int(error["next_attempt"]) - rig.clock.now_ms() < 3 * 3_600_000


@pytest.mark.usefixtures("eager")
async def test_a_clock_that_was_refused_is_tried_again_when_it_was_set(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    desk = LicenseDesk(registration(), Refusal("100010"))
    async with asking(certificates, desk) as rig:
        await rig.error("100010")
        await asyncio.sleep(NEVER_S)
        assert desk.kinds == ["register", "token", "token"]
        assert rig.status.license_state is LicenseState.REFUSED
        assert "mmid tries again when it was set" in caplog.text
        assert "not trying again" not in caplog.text
        rig.supervisor.clock_set()
        await rig.error("100010", nth=2)
        assert desk.kinds[:4] == ["register", *["token"] * 3]


@pytest.mark.usefixtures("eager")
async def test_a_clock_that_was_set_does_not_call_off_a_disconnect(
    certificates: Certificates,
) -> None:
    desk = LicenseDesk(registration(), Refusal("100010"))
    async with asking(certificates, desk) as rig:
        await rig.error("100010")
        rig.supervisor.disconnect()
        rig.supervisor.clock_set()
        await rig.no_more_attempts()
        assert rig.status.license_error == {}
        rig.supervisor.connect()
        await rig.error("100010", nth=2)


async def test_a_clock_that_was_set_hurries_whoever_waits(
    certificates: Certificates, patient: None
) -> None:
    """Where a certificate was not valid yet, the next try may be a minute away."""
    async with supervised(nobody(certificates)) as rig:
        await rig.attempts(1)
        await rig.host.wait_for(Emit(DataDeinit()))
        rig.supervisor.clock_set()
        await rig.no_more_attempts()  # so soon after the last one it is not worth it
        rig.supervisor._attempt_began -= 60  # a minute passes
        rig.supervisor.clock_set()
        await rig.attempts(2)


@pytest.mark.usefixtures("eager")
async def test_a_clock_that_was_set_does_not_call_off_another_refusal(
    certificates: Certificates,
) -> None:
    desk = LicenseDesk(Refusal("100007"))
    async with asking(certificates, desk) as rig:
        await rig.error("100007")
        rig.supervisor.clock_set()
        await rig.no_more_attempts()
        assert desk.kinds == ["register"]


@pytest.mark.usefixtures("eager")
async def test_a_platform_without_tokens_is_asked_six_times(certificates: Certificates) -> None:
    desk = LicenseDesk(registration(), Refusal("300002"))
    async with asking(certificates, desk) as rig:
        async with asyncio.timeout(AMPLE_S):
            while len(desk.requests) < 7:
                desk.asked.clear()
                await desk.asked.wait()
        await asyncio.sleep(NEVER_S)
        assert desk.kinds == ["register", *["token"] * 6]
        assert rig.codes == ["300002"]
        assert rig.status.license_state is LicenseState.REGISTERED


@pytest.mark.usefixtures("eager")
async def test_a_registration_whose_answer_cannot_be_read_stops(certificates: Certificates) -> None:
    desk = LicenseDesk(MalformedMessage("it cannot be opened"))
    async with asking(certificates, desk) as rig:
        await rig.error("registration-unreadable")
        await rig.no_more_attempts()
        assert desk.kinds == ["register"]
        assert rig.status.license_state is LicenseState.REFUSED


@pytest.mark.usefixtures("eager")
async def test_a_board_that_is_not_provisioned_says_so_once_and_waits(
    certificates: Certificates,
) -> None:
    async with supervised(replace(nobody(certificates), license=License())) as rig:
        await rig.error("not-provisioned")
        await rig.no_more_attempts()
        assert rig.codes == ["not-provisioned"]
        assert rig.status.license_state is LicenseState.UNPROVISIONED
        assert rig.status.state is State.OFFLINE


async def test_a_record_that_cannot_be_kept_is_told_and_nothing_is_asked(
    certificates: Certificates,
) -> None:
    store, desk = MemoryStore(), LicenseDesk(registration())
    store.broken = True
    async with asking(certificates, desk, store) as rig:
        await rig.error("storage")
        await asyncio.sleep(NEVER_S)
        assert desk.requests == []


@pytest.mark.usefixtures("eager")
async def test_a_start_that_the_cloud_refuses_stops(cloud_directory: Path) -> None:
    fault = Fault("Start", "fatal:421:InvalidParameter:no such app")
    async with clouded(cloud_directory, fault) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.error("InvalidParameter")
        await rig.host.wait_for(Emit(DataDeinit()))
        await rig.no_more_attempts()


@pytest.mark.usefixtures("eager")
async def test_what_was_refused_for_hours_is_tried_at_once_by_other_settings(
    cloud_directory: Path,
) -> None:
    fault = Fault("Start", "fatal:433:InvalidParameter:no such voice")
    async with clouded(cloud_directory, fault) as cloud:
        settings = settings_of(cloud)
        async with supervised(settings) as rig:
            await rig.error("InvalidParameter")
            await rig.no_more_attempts()
            voiced = replace(settings, dialog=replace(settings.dialog, voice="Tina"))
            rig.supervisor.use(voiced)
            await rig.listening()


@pytest.mark.usefixtures("eager")
async def test_a_dialog_that_the_cloud_refuses_to_go_on_with_is_begun_anew(
    cloud_directory: Path,
) -> None:
    fault = Fault("Start", "fatal:421:InvalidParameter:no such dialog")
    store = MemoryStore(DeviceRecord(dialog_id="long-forgotten").encode())
    async with (
        clouded(cloud_directory, fault) as cloud,
        supervised(settings_of(cloud), store=store) as rig,
    ):
        await rig.listening()
        starts = [
            await cloud.wait_for(lambda entry: entry.get("name") == "Start", nth=nth)
            for nth in (1, 2)
        ]
        assert [start.get("dialog_id") for start in starts] == ["long-forgotten", None]


@pytest.mark.usefixtures("eager")
async def test_a_start_without_a_dialog_that_is_refused_is_not_repeated(
    cloud_directory: Path,
) -> None:
    fault = Fault("Start", "fatal:421:InvalidParameter:no such app", times=1000)
    store = MemoryStore(DeviceRecord(dialog_id="long-forgotten").encode())
    async with (
        clouded(cloud_directory, fault) as cloud,
        supervised(settings_of(cloud), store=store) as rig,
    ):
        await rig.host.wait_for(Emit(DataDeinit()), nth=2)
        await rig.no_more_attempts()
        assert rig.host.events.count(DataInit()) == 2


@pytest.mark.usefixtures("eager")
async def test_a_key_that_is_refused_is_told_once_it_is_final_and_again_for_another_one(
    certificates: Certificates,
) -> None:
    """A temporary key may have expired on its way: the first refusal heals, or is told later."""
    asked: list[str] = []

    async def relay_and_cloud(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split(maxsplit=1)[0])
        status, body = (200, b'{"token": "st-1"}') if asked[-1] == "POST" else (401, b"")
        head = f"HTTP/1.1 {status} So\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)

    async with peer(relay_and_cloud, certificates.server_context()) as port:
        cloud = Cloud(
            "qwen-realtime", f"wss://localhost:{port}/", ca_file=str(certificates.ca_file)
        )
        relayed = License(token_url=f"https://localhost:{port}/", device_name="board1")
        settings = with_own_rates(Settings(cloud=cloud, license=relayed))
        async with supervised(settings) as rig:
            await rig.error("401")
            await rig.no_more_attempts()
            assert (asked, rig.codes) == (["POST", "GET"] * 2, ["401"])
            key = License(api_key=Secret("sk-of-another-board"))
            rig.supervisor.use(replace(settings, license=key))
            rig.supervisor.restart("the settings were changed")
            await rig.error("401", nth=2)
            await rig.no_more_attempts()
            assert (asked[4:], rig.codes) == (["GET"], ["401"] * 2)
