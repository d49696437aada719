from dataclasses import replace
from pathlib import Path

import pytest

from mmid.errors import TABLE, SettingsInvalid, StorageFailed
from mmid.hal_linux.storage import open_store
from mmid.hal_linux.storage.record_format import encode
from mmid.secrets import Secret
from mmid.session.license.messages import Unopened
from mmid.session.license.record import DeviceRecord, Pending
from tests.cli.command_line import Tool, one_line

STORAGE = TABLE[StorageFailed].exit_code
OPTION = TABLE[SettingsInvalid].exit_code

APP_SECRET = "0123456789abcdef" * 2
DEVICE_SECRET = "fedcba9876543210" * 2
NONCE = "ab" * 13

REGISTERED = DeviceRecord(
    app_id="mm_0123",
    app_secret=Secret(APP_SECRET),
    device_name="lamp-1",
    nonce=NONCE,
    device_secret=Secret(DEVICE_SECRET),
    dialog_id="dialog-7",
    unknown={20: b"from the future"},
)


@pytest.fixture
def mmid(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


def test_show_tells_target_copies_and_fields(mmid: Tool) -> None:
    mmid.record = REGISTERED
    result = mmid("storage", "show")
    assert (result.returncode, result.stderr) == (0, "")
    shown = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert shown["target"] == mmid.target
    assert shown["registered"] == "yes"
    assert shown["flags"] == "0x0010003f"
    assert shown["app_id"] == "mm_0123"
    assert shown["device_name"] == "lamp-1"
    assert shown["dialog_id"] == "dialog-7"
    assert shown["workspace_id"] == "not set"
    assert shown["app_secret"] == shown["device_secret"] == shown["nonce"] == "set"
    assert "field 20       15 bytes" in result.stdout
    copies = [line for line in result.stdout.splitlines() if line.startswith("copy")]
    size = len(REGISTERED.encode())
    assert len(copies) == 2
    assert all(f"valid, sequence 1, {size} bytes, plain" in copy for copy in copies)


def test_show_with_json_is_one_object_with_the_same(mmid: Tool) -> None:
    mmid.record = REGISTERED
    shown = mmid.json("storage", "show")
    assert shown["target"] == mmid.target
    assert shown["storage_key"] is False
    assert shown["error"] is None
    assert [copy["state"] for copy in shown["copies"]] == ["valid", "valid"]
    assert shown["record"]["registered"] is True
    assert shown["record"]["device_secret"] is True
    assert shown["record"]["field 20"] == "15 bytes"


def test_a_record_that_others_may_read_is_told(mmid: Tool, tmp_path: Path) -> None:
    mmid.record = REGISTERED
    assert mmid.json("storage", "show")["open"] == []
    (tmp_path / "device.bin.copy").chmod(0o640)
    (text,) = mmid.json("storage", "show")["open"]
    assert f"{tmp_path}/device.bin.copy holds secrets, and is open to others" in text
    assert f"open           {text}: chown mmid:root" in mmid("storage", "show").stdout


def test_a_registration_under_way_is_shown(mmid: Tool) -> None:
    mmid.record = DeviceRecord(app_id="mm_1", pending=Pending("lamp-2", NONCE, 1))
    shown = mmid.json("storage", "show")["record"]
    assert (shown["pending"], shown["registered"]) == ("lamp-2", False)


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["lines", "json"])
def test_no_secret_is_shown(mmid: Tool, form: list[str]) -> None:
    mmid.record = REGISTERED
    result = mmid("storage", "show", *form)
    for secret in (APP_SECRET, DEVICE_SECRET, NONCE):
        assert secret not in result.stdout + result.stderr


def test_an_empty_store_is_no_error_and_stays_untouched(mmid: Tool, tmp_path: Path) -> None:
    shown = mmid.json("storage", "show")
    assert shown["record"] is None
    assert {copy["state"] for copy in shown["copies"]} == {"blank"}
    assert list(tmp_path.iterdir()) == [mmid.config]
    assert "record         none" in mmid("storage", "show").stdout


def test_a_damaged_record_is_shown_copy_by_copy_and_ends_with_the_error(
    mmid: Tool, tmp_path: Path
) -> None:
    mmid.record = REGISTERED
    damage(tmp_path)
    result = mmid("storage", "show")
    assert result.returncode == STORAGE
    assert result.stdout.count(": damaged, ") == 2
    assert len(result.stderr.splitlines()) == 1
    shown = mmid.json("storage", "show", status=STORAGE)
    assert shown["error"]
    assert shown["record"] is None


def damage(directory: Path) -> None:
    for copy in directory.glob("device.bin*"):
        if copy.suffix != ".lock":
            copy.write_bytes(copy.read_bytes()[:-1] + b"\xff")


def test_erase_wants_a_yes_and_says_what_would_be_lost(mmid: Tool) -> None:
    mmid.record = REGISTERED
    result = mmid("storage", "erase")
    assert result.returncode == OPTION
    assert "the registration of mm_0123 lamp-1" in one_line(result)
    assert "add --yes" in one_line(result)
    assert mmid.record == REGISTERED


def test_erase_erases(mmid: Tool) -> None:
    mmid.record = REGISTERED
    result = mmid("storage", "erase", "--yes")
    assert (result.returncode, result.stderr) == (0, "")
    assert "the registration of mm_0123 lamp-1" in result.stdout
    assert mmid.record is None
    assert mmid("storage", "erase", "--yes").returncode == 0


def test_erase_refuses_while_the_daemon_has_the_record(mmid: Tool) -> None:
    mmid.record = REGISTERED
    with mmid.held_by_a_daemon():
        result = mmid("storage", "erase", "--yes")
    assert result.returncode == STORAGE
    assert "in use by another mmid (Stop it first" in one_line(result)
    assert mmid.record == REGISTERED


def test_show_does_not_mind_the_daemon(mmid: Tool) -> None:
    mmid.record = REGISTERED
    with mmid.held_by_a_daemon():
        assert mmid.json("storage", "show")["record"]["device_name"] == "lamp-1"


def test_a_damaged_record_can_be_erased(mmid: Tool, tmp_path: Path) -> None:
    mmid.record = REGISTERED
    damage(tmp_path)
    result = mmid("storage", "erase", "--yes")
    assert result.returncode == 0
    assert "what cannot be read" in result.stdout
    assert mmid.record is None


def test_foreign_content_is_erased_by_force_only(mmid: Tool, tmp_path: Path) -> None:
    foreign = tmp_path / "device.bin"
    foreign.write_text("the photographs of the holidays, all of them")
    assert mmid("storage", "show").returncode == STORAGE
    result = mmid("storage", "erase", "--yes")
    assert result.returncode == STORAGE
    assert "device.bin" in one_line(result)
    assert foreign.read_text().startswith("the photographs")
    assert mmid("storage", "erase", "--yes", "--force").returncode == 0
    assert mmid.record is None


@pytest.mark.parametrize("action", ["show", "erase"])
def test_a_wrong_setting_is_one_line_and_exit_2(mmid: Tool, action: str) -> None:
    mmid.write_settings("[audio]\nperiod_ms = 5\n")
    result = mmid("storage", action)
    assert result.returncode == OPTION
    assert "audio.period_ms" in one_line(result)


def test_an_answer_that_waits_for_a_corrected_codec_is_shown_and_not_erased_lightly(
    mmid: Tool,
) -> None:
    waiting = replace(REGISTERED, nonce="", device_secret=Secret(""))
    mmid.record = waiting.with_unopened(Unopened("lamp-1", NONCE, 7, "{}"))
    shown = mmid.json("storage", "show")["record"]
    assert (shown["unopened"], shown["registered"], shown["codec_state"]) == (
        "lamp-1",
        False,
        False,
    )
    result = mmid("storage", "erase")
    assert result.returncode == OPTION
    assert "would lose the registration of mm_0123 lamp-1" in one_line(result)


# --- a key that comes later ------------------------------------------------------------------

KEY = "5a" * 32


def test_seal_seals_a_plain_record_once_and_says_whose_it_is(mmid: Tool) -> None:
    mmid.record = REGISTERED
    result = mmid("storage", "show", MMID_STORAGE__KEY=KEY)
    assert result.returncode == STORAGE
    assert "not sealed although there is a key" in result.stderr
    result = mmid("storage", "seal", MMID_STORAGE__KEY=KEY)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"sealed {mmid.target}: mm_0123 lamp-1\n"
    shown = mmid.json("storage", "show", MMID_STORAGE__KEY=KEY)
    assert shown["record"]["registered"] is True
    assert [copy["sealed"] for copy in shown["copies"]] == [True, True]
    assert "is plain" in mmid("storage", "seal", MMID_STORAGE__KEY=KEY).stdout


def test_seal_needs_a_key_and_nobody_who_writes(mmid: Tool) -> None:
    mmid.record = REGISTERED
    assert "storage_key" in one_line(mmid("storage", "seal"))
    with mmid.held_by_a_daemon():
        assert mmid("storage", "seal", MMID_STORAGE__KEY=KEY).returncode == STORAGE
    assert mmid.record == REGISTERED


def test_seal_refuses_a_plain_record_beside_a_sealed_one(mmid: Tool, tmp_path: Path) -> None:
    open_store(mmid.target, key=Secret(KEY)).save(b"sealed")
    (tmp_path / "device.bin").write_bytes(encode(9, REGISTERED.encode()))
    result = mmid("storage", "seal", MMID_STORAGE__KEY=KEY)
    assert result.returncode == STORAGE
    assert "somebody else may have written it" in one_line(result)


def test_show_lets_nothing_of_the_record_command_a_terminal(mmid: Tool) -> None:
    mmid.record = replace(REGISTERED, device_name="lamp\x1b[2J\x9b31m\u202e", dialog_id="\x7f")
    told = mmid("storage", "show").stdout + mmid("storage", "show", "--json").stdout
    told += mmid("storage", "erase").stderr
    assert told.replace("\n", "").isprintable()
    assert mmid.json("storage", "show")["record"]["device_name"] == "lamp\x1b[2J\x9b31m\u202e"
