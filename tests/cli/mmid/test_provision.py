import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mmid.errors import TABLE, SettingsInvalid, StorageFailed
from mmid.secrets import Secret
from mmid.session.license.messages import Unopened
from mmid.session.license.record import DeviceRecord, Pending
from tests.cli.command_line import Tool, one_line

STORAGE = TABLE[StorageFailed].exit_code
OPTION = TABLE[SettingsInvalid].exit_code

APP_ID = "mm_0123456789abcdef"
APP_SECRET = "0123456789abcdef" * 2
WHO = ("--app-id", APP_ID, "--device-name", "lamp-1")
IDENTITY = DeviceRecord(app_id=APP_ID, app_secret=Secret(APP_SECRET), device_name="lamp-1")
REGISTERED = IDENTITY.with_triple(nonce="ab" * 13, device_secret=Secret("c" * 32))


@pytest.fixture
def mmid(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "app_secret"
    path.write_text(f"{APP_SECRET}\n")
    return path


def test_it_writes_who_the_device_is(mmid: Tool, secret_file: Path) -> None:
    result = mmid("provision", *WHO, "--app-secret-file", secret_file, "--workspace-id", "llm-1")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        f"provisioned: {APP_ID} lamp-1, AppSecret set, not registered yet, in {mmid.target}\n"
    )
    assert mmid.record == DeviceRecord(
        app_id=APP_ID,
        app_secret=Secret(APP_SECRET),
        device_name="lamp-1",
        workspace_id="llm-1",
    )


def test_with_json_it_prints_one_object(mmid: Tool, secret_file: Path) -> None:
    assert mmid.json("provision", *WHO, "--app-secret-file", secret_file) == {
        "result": "provisioned",
        "target": mmid.target,
        "app_id": APP_ID,
        "device_name": "lamp-1",
        "app_secret": True,
        "workspace_id": "",
        "registered": False,
    }


@pytest.mark.parametrize("text", [APP_SECRET, f"\ufeff{APP_SECRET}\r\n"], ids=["bare", "windows"])
def test_the_secret_may_come_by_standard_input_and_is_never_printed(mmid: Tool, text: str) -> None:
    result = mmid("provision", *WHO, "--app-secret-file", "-", stdin=text)
    assert result.returncode == 0
    assert mmid.record == IDENTITY
    assert APP_SECRET not in result.stdout + result.stderr


def test_the_secret_may_come_by_a_pipe_as_of_a_shells_process_substitution(
    mmid: Tool, tmp_path: Path
) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", 'echo "$0" >"$1"', APP_SECRET, pipe]) as writer:
        result = mmid("provision", *WHO, "--app-secret-file", pipe)
        writer.kill()
    assert result.returncode == 0
    assert mmid.record == IDENTITY


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_secret_and_is_not_read_for_ever(mmid: Tool, device: str) -> None:
    result = mmid("provision", *WHO, "--app-secret-file", device)
    assert result.returncode == OPTION
    assert one_line(result).startswith("mmid: --app-secret-file: ")


def test_a_second_time_changes_nothing(mmid: Tool, secret_file: Path, tmp_path: Path) -> None:
    arguments = ("provision", *WHO, "--app-secret-file", secret_file)
    mmid(*arguments)
    before = contents(tmp_path)
    result = mmid(*arguments)
    assert result.returncode == 0
    assert result.stdout.startswith("already provisioned: ")
    assert contents(tmp_path) == before


def contents(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in directory.iterdir()}


def test_a_registered_device_of_the_same_name_is_already_provisioned(mmid: Tool) -> None:
    mmid.record = REGISTERED
    shown = mmid.json("provision", *WHO)
    assert (shown["result"], shown["registered"]) == ("already provisioned", True)
    assert mmid.record == REGISTERED


@pytest.mark.parametrize(
    "change",
    [
        ("--app-id", APP_ID, "--device-name", "lamp-2"),
        ("--app-id", "mm_ffff", "--device-name", "lamp-1"),
        (*WHO, "--workspace-id", "llm-2"),
    ],
    ids=["name", "product", "workspace"],
)
def test_a_registered_device_is_not_overwritten(mmid: Tool, change: tuple[str, ...]) -> None:
    mmid.record = REGISTERED
    result = mmid("provision", *change)
    assert result.returncode == OPTION
    assert f"registered as {APP_ID} lamp-1" in one_line(result)
    assert "--force" in one_line(result)
    assert mmid.record == REGISTERED


def test_an_answer_that_waits_for_the_right_secret_gets_it_and_no_other_name(
    mmid: Tool, secret_file: Path
) -> None:
    waiting = IDENTITY.with_unopened(Unopened("lamp-1", "ab" * 13, 7, "{}"))
    mmid.record = replace(waiting, app_secret=Secret("f" * 32))
    result = mmid("provision", "--app-id", APP_ID, "--device-name", "lamp-2")
    assert result.returncode == OPTION
    assert mmid.record == replace(waiting, app_secret=Secret("f" * 32))
    assert mmid("provision", *WHO, "--app-secret-file", secret_file).returncode == 0
    assert mmid.record == waiting


def test_force_overwrites_it_and_nothing_of_the_old_device_is_left(mmid: Tool) -> None:
    mmid.record = REGISTERED
    assert mmid("provision", "--app-id", "mm_ff", "--device-name", "b", "--force").returncode == 0
    assert mmid.record == DeviceRecord(app_id="mm_ff", device_name="b")


def test_force_keeps_the_registration_of_the_same_device(mmid: Tool) -> None:
    mmid.record = REGISTERED
    assert mmid("provision", *WHO, "--workspace-id", "llm-2", "--force").returncode == 0
    assert mmid.record is not None
    assert mmid.record.registered
    assert mmid.record.workspace_id == "llm-2"


def test_another_name_keeps_the_secret_of_the_product_and_nothing_else(mmid: Tool) -> None:
    pending = Pending("lamp-0", "ab" * 13, 1)
    mmid.record = DeviceRecord(
        app_id=APP_ID, app_secret=Secret(APP_SECRET), device_name="lamp-0", pending=pending
    )
    assert mmid("provision", *WHO).returncode == 0
    assert mmid.record == IDENTITY


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--app-id", "lamp"),
        ("--app-id", ""),
        ("--app-id", "mm_ABC"),
        ("--app-id", "mm_0\n"),
        ("--device-name", ""),
        ("--device-name", "x" * 33),
        ("--device-name", "a b"),
        ("--workspace-id", ""),
        ("--workspace-id", "x" * 65),
    ],
)
def test_a_value_that_the_settings_would_refuse_is_refused(
    mmid: Tool, option: str, value: str
) -> None:
    result = mmid("provision", *WHO, option, value)
    assert result.returncode == OPTION
    assert f"{option} {value!r}: must be" in one_line(result)
    assert mmid.record is None


@pytest.mark.parametrize(
    "content", [b"", b"x" * 32, b"0" * 31, b"0" * 33, b"0" * 300, b"\xff" * 32]
)
def test_a_secret_that_is_none_is_refused_and_not_shown(
    mmid: Tool, secret_file: Path, content: bytes
) -> None:
    secret_file.write_bytes(content)
    result = mmid("provision", *WHO, "--app-secret-file", secret_file)
    assert result.returncode == OPTION
    assert one_line(result).endswith(f"what {secret_file} holds must be 32 hexadecimal digits")
    assert mmid.record is None


def test_a_secret_file_that_is_not_there_is_named(mmid: Tool, tmp_path: Path) -> None:
    result = mmid("provision", *WHO, "--app-secret-file", tmp_path / "nothing")
    assert result.returncode == OPTION
    assert f"{tmp_path}/nothing cannot be read: No such file" in one_line(result)


def test_settings_that_say_otherwise_are_told(mmid: Tool) -> None:
    mmid.write_settings('[license]\ndevice_name = "lamp-9"\n')
    result = mmid("provision", *WHO)
    assert result.returncode == OPTION
    assert "license.device_name = 'lamp-9' in the settings would win" in one_line(result)
    assert mmid.record is None


def test_it_refuses_while_the_daemon_has_the_record(mmid: Tool) -> None:
    with mmid.held_by_a_daemon():
        result = mmid("provision", *WHO)
    assert result.returncode == STORAGE
    assert "in use by another mmid" in one_line(result)
    assert mmid.record is None


def test_foreign_content_is_overwritten_by_force_only(mmid: Tool, tmp_path: Path) -> None:
    (tmp_path / "device.bin").write_text("the photographs of the holidays, all of them")
    assert mmid("provision", *WHO).returncode == STORAGE
    assert mmid("provision", *WHO, "--force").returncode == 0
    assert mmid.record == DeviceRecord(app_id=APP_ID, device_name="lamp-1")


def test_the_secret_cannot_be_an_argument(mmid: Tool) -> None:
    result = mmid("provision", *WHO, "--app-secret", APP_SECRET)
    assert result.returncode == OPTION
    assert APP_SECRET not in result.stderr


def test_where_nothing_is_registered_the_name_is_enough(mmid: Tool) -> None:
    assert "--app-id is missing" in one_line(mmid("provision", "--device-name", "lamp-1"))
    baidu = {"MMID_CLOUD__PROTOCOL": "baidu-rtc"}
    for done in ("provisioned", "already provisioned"):
        result = mmid("provision", "--device-name", "lamp-1", **baidu)
        assert result.stdout == f"{done}: lamp-1, in {mmid.target}\n"
    assert mmid.record == DeviceRecord(device_name="lamp-1")


def test_a_name_that_a_cloud_has_activated_is_not_changed_by_accident(mmid: Tool) -> None:
    mmid.record = DeviceRecord(device_name="lamp-1", activated_name="lamp-1")
    baidu = {"MMID_CLOUD__PROTOCOL": "baidu-rtc"}
    result = mmid("provision", "--device-name", "Lamp-1", **baidu)
    assert result.returncode == OPTION
    assert "is paid for again" in one_line(result)
    assert mmid("provision", *WHO).returncode == 0
    assert mmid.record == DeviceRecord(
        app_id=APP_ID, device_name="lamp-1", activated_name="lamp-1"
    ), "the same name for another cloud"
    assert mmid("provision", "--device-name", "b", "--force", **baidu).returncode == 0
    assert mmid.record == DeviceRecord(app_id=APP_ID, device_name="b")
