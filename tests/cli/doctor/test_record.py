from dataclasses import replace
from pathlib import Path

import pytest

from mmid.cli.doctor.finding import Verdict, fine, warned
from mmid.cli.doctor.record import check_record, check_workspace
from mmid.hal_linux.storage import open_store
from mmid.secrets import Secret
from mmid.session.license.record import DeviceRecord
from mmid.settings import Settings

REGISTERED = DeviceRecord(
    app_id="mm_0123456789abcdef",
    device_name="lamp-1",
    nonce="0123456789abcdef0123456789",
    device_secret=Secret("f" * 32),
    workspace_id="llm-0123456789abcdef",
)
KEY = Secret("0123456789abcdef" * 4)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A board whose record is a file."""
    plain = Settings()
    return replace(plain, storage=replace(plain.storage, target=f"file:{tmp_path}/device.bin"))


def store(settings: Settings, record: DeviceRecord = REGISTERED) -> None:
    open_store(settings.storage.target, key=settings.storage.key).save(record.encode())


def copies(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.glob("device.bin*"))


def test_a_name_that_a_cloud_activated_must_be_that_of_the_settings(settings: Settings) -> None:
    counting = replace(settings, cloud=replace(settings.cloud, protocol="baidu-rtc"))
    assert check_record(counting).verdict is Verdict.FAILURE, "it has no name at all"
    store(settings, DeviceRecord(activated_name="lamp-1"))
    assert check_record(counting).verdict is Verdict.OK
    other = replace(settings.license, device_name="Lamp-1")
    found = check_record(replace(counting, license=other))
    assert found.verdict is Verdict.FAILURE
    assert "holds lamp-1" in found.text
    assert check_record(replace(settings, license=other)).verdict is Verdict.OK, "another cloud"


def test_a_record_that_can_be_read_is_fine_and_named(settings: Settings) -> None:
    store(settings)
    finding = check_record(settings)
    assert finding.verdict is Verdict.OK
    assert "lamp-1" in finding.text


def test_an_empty_store_is_a_warning_with_the_way_out(settings: Settings) -> None:
    finding = check_record(settings)
    assert finding.verdict is Verdict.WARNING
    assert "mmid provision" in finding.remedy


def test_an_empty_store_is_fine_where_nobody_registers(settings: Settings) -> None:
    paying = replace(settings, license=replace(settings.license, mode="pay-as-you-go"))
    assert check_record(paying).verdict is Verdict.OK


def test_a_workspace_that_nobody_names_is_a_warning(settings: Settings) -> None:
    away = warned("dialog", "not connected", "")
    store(settings)
    assert check_workspace(settings, away).text == REGISTERED.workspace_id
    store(settings, replace(REGISTERED, workspace_id=""))
    finding = check_workspace(settings, away)
    assert finding.verdict is Verdict.WARNING
    assert "cloud.workspace_id" in finding.text
    configured = replace(settings, cloud=replace(settings.cloud, workspace_id="llm-1"))
    paying = replace(settings, license=replace(settings.license, mode="pay-as-you-go"))
    assert check_workspace(configured, away).verdict is Verdict.OK
    assert check_workspace(paying, away).verdict is Verdict.OK


def test_before_a_registration_nobody_knows_what_the_token_brings(settings: Settings) -> None:
    away = warned("dialog", "not connected", "")
    assert check_workspace(settings, away).verdict is Verdict.SKIPPED
    store(settings, DeviceRecord(app_id="mm_1", device_name="lamp-1"))
    assert check_workspace(settings, away).verdict is Verdict.SKIPPED


def test_a_dialog_that_is_there_has_the_workspace_of_its_token(settings: Settings) -> None:
    store(settings, replace(REGISTERED, workspace_id=""))
    assert check_workspace(settings, fine("dialog", "connected")).verdict is Verdict.OK


def test_one_damaged_copy_is_a_warning_because_the_other_serves(
    settings: Settings, tmp_path: Path
) -> None:
    store(settings)
    store(settings)
    damaged = copies(tmp_path)[0]
    damaged.write_bytes(damaged.read_bytes()[:-3])
    finding = check_record(settings)
    assert finding.verdict is Verdict.WARNING
    assert str(damaged) in finding.text


def test_two_damaged_copies_are_a_failure(settings: Settings, tmp_path: Path) -> None:
    store(settings)
    store(settings)
    for damaged in copies(tmp_path):
        damaged.write_bytes(damaged.read_bytes()[:-3])
    assert check_record(settings).verdict is Verdict.FAILURE


def test_a_store_that_is_not_there_is_a_failure(settings: Settings) -> None:
    storage = replace(settings.storage, target="block:/dev/disk/by-partlabel/nowhere")
    finding = check_record(replace(settings, storage=storage))
    assert finding.verdict is Verdict.FAILURE
    assert "nowhere" in finding.text


def test_a_sealed_record_without_the_key_is_the_daemons_own(settings: Settings) -> None:
    sealing = replace(settings, storage=replace(settings.storage, key=KEY))
    store(sealing)
    assert "sealed" in check_record(sealing).text
    finding = check_record(settings)
    assert finding.verdict is Verdict.OK
    assert "sealed" in finding.text
