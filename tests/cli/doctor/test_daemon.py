from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mmid import __version__
from mmid.cli.doctor.daemon import check_daemon
from mmid.cli.doctor.finding import Finding, Verdict
from mmid.dbus.client import Client
from mmid.dbus.front import Front
from mmid.events import State
from mmid.status import LicenseState, Status
from tests.dbus.private_bus import NotingApplication, PrivateBus

FORBIDDEN = '<deny send_destination="org.mmid1"/>'


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[PrivateBus]:
    with PrivateBus(tmp_path) as bus:
        yield bus


@pytest.fixture
def status() -> Status:
    return Status(
        state=State.LISTENING,
        connected=True,
        registered=True,
        license_state=LicenseState.AUTHORIZED,
    )


@pytest.fixture
async def front(bus: PrivateBus, status: Status) -> AsyncIterator[Front]:
    front = await Front.open(bus.address, status, NotingApplication(status))
    yield front
    await front.close()


async def by_check(address: str) -> dict[str, Finding]:
    return {finding.check: finding for finding in await check_daemon(address)}


async def test_a_daemon_that_talks_with_the_cloud_is_fine(bus: PrivateBus, front: Front) -> None:
    findings = await by_check(bus.address)
    assert list(findings) == ["daemon", "license", "dialog"]
    assert {finding.verdict for finding in findings.values()} == {Verdict.OK}


@pytest.mark.parametrize(
    ("state", "verdict"),
    [("on", Verdict.OK), ("off", Verdict.OK), ("muting: only 6 dB", Verdict.WARNING)],
)
async def test_an_echo_canceller_that_mutes_is_a_warning_with_its_reason(
    bus: PrivateBus, status: Status, front: Front, state: str, verdict: Verdict
) -> None:
    echo = {"state": state, "erle_db": 6.0, "delay_ms": 31.5, "drift_ppm": 12.0}
    status.update(echo_cancellation=echo)
    findings = await by_check(bus.address)
    assert list(findings) == ["daemon", "license", "echo", "dialog"]
    assert findings["echo"].verdict is verdict
    assert findings["echo"].text.startswith(state)


async def test_a_token_is_told_with_its_end(bus: PrivateBus, status: Status, front: Front) -> None:
    status.update(token_expiry=1_795_132_800_000)
    finding = (await by_check(bus.address))["license"]
    assert finding.text == "fully-managed, authorized, token until 2026-11-20 00:00:00+00:00"


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (LicenseState.UNPROVISIONED, Verdict.FAILURE),
        (LicenseState.REFUSED, Verdict.FAILURE),
        (LicenseState.UNREGISTERED, Verdict.WARNING),
        (LicenseState.REGISTERED, Verdict.OK),
    ],
)
async def test_a_license_is_judged_by_its_state(
    bus: PrivateBus, status: Status, front: Front, state: LicenseState, verdict: Verdict
) -> None:
    status.update(license_state=state)
    finding = (await by_check(bus.address))["license"]
    assert finding.verdict is verdict
    assert bool(finding.remedy) is (verdict is not Verdict.OK)


async def test_what_is_missing_of_the_identity_is_told_if_mmid_has_said_it(
    bus: PrivateBus, status: Status, front: Front
) -> None:
    status.update(license_state=LicenseState.UNPROVISIONED)
    assert "license.app_id" in (await by_check(bus.address))["license"].remedy
    status.update(license_mode="api-key")
    finding = (await by_check(bus.address))["license"]
    assert "something is missing" in finding.text
    assert "license.app_id" not in finding.remedy
    error: dict[str, str | int] = {"message": "license.api_key is missing", "remedy": "Set it."}
    status.update(last_error={**error, "code": "not-provisioned", "time": 1})
    finding = (await by_check(bus.address))["license"]
    assert (finding.text, finding.remedy) == ("license.api_key is missing", "Set it.")


async def test_a_refusal_is_told_with_its_code_and_what_mends_it(
    bus: PrivateBus, status: Status, front: Front
) -> None:
    error: dict[str, str | int] = {
        "code": "200021",
        "message": "too many requests today. Wait until tomorrow.",
        "remedy": "wait-until-midnight",
        "since": 1,
        "next_attempt": 2,
    }
    status.update(license_error=error)
    finding = (await by_check(bus.address))["license"]
    assert finding.verdict is Verdict.WARNING
    assert finding.text == "refused with 200021: too many requests today"
    assert finding.remedy == "Wait until tomorrow."
    status.update(license_error={**error, "code": "registration-unreadable"})
    finding = (await by_check(bus.address))["license"]
    assert finding.text == "registration-unreadable: too many requests today"
    status.update(license_state=LicenseState.REFUSED)
    assert (await by_check(bus.address))["license"].verdict is Verdict.FAILURE


async def test_no_connection_is_a_warning(bus: PrivateBus, status: Status, front: Front) -> None:
    status.update(connected=False, state=State.OFFLINE)
    finding = (await by_check(bus.address))["dialog"]
    assert finding.verdict is Verdict.WARNING
    assert "offline" in finding.text
    assert "mmictl connect" in finding.remedy


@pytest.mark.parametrize(
    ("code", "told"), [("tls", True), ("audio-device", False), ("tool", False)]
)
async def test_what_keeps_it_from_connecting_is_told_if_it_is_known(
    bus: PrivateBus, status: Status, front: Front, code: str, told: bool
) -> None:
    status.update(connected=False, state=State.OFFLINE)
    status.update(last_error={"code": code, "message": "why", "remedy": "Look.", "time": 1})
    finding = (await by_check(bus.address))["dialog"]
    assert ("why" in finding.text) is told
    assert finding.remedy


async def test_a_daemon_that_does_not_run_is_a_failure(bus: PrivateBus) -> None:
    findings = await by_check(bus.address)
    assert findings["daemon"].verdict is Verdict.FAILURE
    assert "systemctl start mmid" in findings["daemon"].remedy
    assert findings["license"].verdict is findings["dialog"].verdict is Verdict.SKIPPED


async def test_a_daemon_of_another_version_wants_a_restart(
    bus: PrivateBus, status: Status, front: Front
) -> None:
    status.update(version="0.0.1")
    findings = await by_check(bus.address)
    assert findings["daemon"].verdict is Verdict.WARNING
    assert "mmid 0.0.1 runs" in findings["daemon"].text
    assert "systemctl restart mmid" in findings["daemon"].remedy
    assert findings["dialog"].verdict is Verdict.OK


async def test_what_answers_in_another_way_is_a_failure_and_no_traceback(
    bus: PrivateBus, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def get_all(_: Client, __: str) -> dict[str, object]:
        return {"Version": __version__}

    monkeypatch.setattr(Client, "get_all", get_all)
    findings = await by_check(bus.address)
    assert findings["daemon"].verdict is Verdict.FAILURE
    assert "systemctl restart mmid" in findings["daemon"].remedy
    assert findings["dialog"].verdict is Verdict.SKIPPED


async def test_a_daemon_that_the_settings_put_on_another_bus_is_to_be_asked_there(
    bus: PrivateBus, front: Front
) -> None:
    daemon, *_ = await check_daemon(bus.address, "session")
    assert daemon.verdict is Verdict.OK  # somebody told the daemon otherwise, and it is there
    await front.close()
    daemon, *_ = await check_daemon(bus.address, "session")
    assert daemon.verdict is Verdict.FAILURE
    assert "the settings put mmid on 'session'" in daemon.text
    assert daemon.remedy == "mmictl --bus session asks there."


async def test_a_bus_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    findings = await by_check(f"unix:path={tmp_path}/none")
    assert findings["daemon"].verdict is Verdict.FAILURE


async def test_a_caller_without_permission_learns_of_the_group(
    tmp_path: Path, status: Status
) -> None:
    strict = PrivateBus(tmp_path, FORBIDDEN)
    front = await Front.open(strict.address, status, NotingApplication(status))
    try:
        finding = (await by_check(strict.address))["daemon"]
    finally:
        await front.close()
        strict.stop()
    assert finding.verdict is Verdict.FAILURE
    assert "group mmid" in finding.remedy
