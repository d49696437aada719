import re
from pathlib import Path

import pytest

from mmid.errors import TABLE, SettingsInvalid
from mmid.session.license.record import DeviceRecord
from tests.cli.command_line import Tool, one_line
from tests.rig.alsa_plugin import compile_plugin

OPTION = TABLE[SettingsInvalid].exit_code
RECORD = DeviceRecord(app_id="mm_1", device_name="lamp-1", nonce="a" * 26)
# As both of the vendor's porting guides print it, but for the time.
LOG = """\
[UT][I][aliyun_sdk_test]********************* Hal Test Start *********************
[UT][I][aliyun_sdk_test]********************* memory test done *******************
[UT][I][aliyun_sdk_test]time is 1753344478377
[UT][I][aliyun_sdk_test]********************* time test done *********************
[UT][I][aliyun_sdk_test]********************* storage test done ******************
[UT][I][aliyun_sdk_test]********************* random test done *******************
[UT][I][aliyun_sdk_test]********************* mutex test done ********************
[UT][I][aliyun_sdk_test]********************* Hal Test End ***********************
"""


@pytest.fixture(scope="session")
def room_plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_plugin("room_pcm.c", tmp_path_factory.mktemp("alsa"))


@pytest.fixture
def mmid(tmp_path: Path, room_plugin: Path) -> Tool:
    """A board whose loudspeaker is heard by its microphone; and one PCM for each fault."""
    asound = tmp_path / "asound.conf"
    asound.write_text(
        f'pcm_type.room {{ lib "{room_plugin}" }}\n'
        "pcm.room { type room delay_ms 20 gain 50 noise 20 }\n"
        "pcm.swapped { type room delay_ms 20 gain -50 noise 20 }\n"
        "pcm.null { type null }\n"
    )
    tool = Tool(tmp_path)
    tool.write_settings('[audio]\ncapture_device = "room"\nplayback_device = "room"\n')
    tool.environment["ALSA_CONFIG_PATH"] = str(asound)
    tool.program = ("-m", "tests.rig.sound_at_once", room_plugin, tmp_path / "sound_s")
    return tool


def timeless(output: str) -> str:
    return re.sub(r"time is \d{13}$", "time is 1753344478377", output, flags=re.MULTILINE)


def test_it_prints_the_log_of_the_sdk_to_the_letter(mmid: Tool) -> None:
    result = mmid("hal-test")
    assert (result.returncode, result.stderr) == (0, "")
    assert timeless(result.stdout) == LOG


@pytest.mark.parametrize("record", [None, RECORD], ids=["empty", "provisioned"])
def test_the_record_is_the_same_afterwards(mmid: Tool, record: DeviceRecord | None) -> None:
    if record is not None:
        mmid.record = record
    assert mmid("hal-test").returncode == 0
    assert mmid.record == record


def test_a_failing_module_says_why_instead_of_done_and_the_others_go_on(mmid: Tool) -> None:
    mmid.record = RECORD
    with mmid.held_by_a_daemon():
        result = mmid("hal-test")
    assert result.returncode == 1
    told = timeless(result.stdout)
    (failed,) = re.findall(r"^\[UT\]\[E\].*\n", told, re.MULTILINE)
    assert failed.startswith("[UT][E][aliyun_sdk_test]storage test failed: ")
    assert "in use by another mmid. Stop it first" in failed
    (done,) = re.findall(r"^.* storage test done .*\n", LOG, re.MULTILINE)
    assert told.replace(failed, done) == LOG


def test_a_store_that_cannot_be_written_fails(mmid: Tool) -> None:
    result = mmid("hal-test", MMID_STORAGE__TARGET="file:/proc/mmid/device.bin")
    assert result.returncode == 1
    assert "storage test failed: " in result.stdout
    assert "/proc/mmid" in result.stdout


def test_a_wrong_setting_is_one_line_and_exit_2(mmid: Tool) -> None:
    result = mmid("hal-test", MMID_CLOCK__REQUIRE_SYNC="x")
    assert result.returncode == OPTION
    assert "clock.require_sync" in one_line(result)


def test_with_json_it_prints_one_object_with_every_check(mmid: Tool) -> None:
    mmid.record = RECORD
    found = mmid.json("hal-test")
    assert (found["serial"], found["passed"]) == ("lamp-1", True)
    names = [check["check"] for check in found["checks"]]
    assert names == ["memory", "time", "storage", "random", "mutex"]
    assert found["checks"][2]["measured"]["bytes"] == len(RECORD.encode())


def test_with_json_a_failure_says_why_too(mmid: Tool) -> None:
    with mmid.held_by_a_daemon():
        found = mmid.json("hal-test", status=1)
    assert not found["passed"]
    (failed,) = [check for check in found["checks"] if not check["passed"]]
    assert (failed["check"], "in use" in failed["detail"]) == ("storage", True)


def test_audio_and_acoustic_go_beyond_it(mmid: Tool) -> None:
    result = mmid("hal-test", "--audio", "--acoustic")
    assert result.returncode == 0, result.stdout
    told = timeless(result.stdout)
    assert told.startswith(LOG)
    lines = told.removeprefix(LOG).splitlines()
    assert all(line.startswith("ok ") for line in lines)
    assert [line.split("  ")[0] for line in lines] == ["ok"] * 10


def test_each_pair_of_channels_is_judged_by_itself(mmid: Tool) -> None:
    found = mmid.json(
        *("hal-test", "--acoustic", "--capture", "room", "--capture", "swapped"), status=1
    )
    (failed,) = [check for check in found["checks"] if not check["passed"]]
    assert failed["check"] == "acoustic polarity"
    expected = {"capture": "swapped", "playback": "room", "polarity": "inverted"}
    assert failed["measured"] == expected


def test_a_device_that_is_not_there_is_a_failed_check_that_names_it(mmid: Tool) -> None:
    found = mmid.json(
        *("hal-test", "--audio", "--acoustic"),
        status=1,
        MMID_AUDIO__CAPTURE_DEVICE="no-such-card",
    )
    failed = {check["check"]: check for check in found["checks"] if not check["passed"]}
    assert set(failed) == {"recorder", "acoustic"}
    assert all("no-such-card" in check["detail"] for check in failed.values())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--capture", "room"], "go with --acoustic"),
        (["--acoustic", *["--capture", "a"] * 7], "7 pairs, 6 is the most"),
    ],
    ids=["alone", "many"],
)
def test_options_that_make_no_sense_are_one_line(
    mmid: Tool, options: list[str], reason: str
) -> None:
    result = mmid("hal-test", *options)
    assert result.returncode == OPTION
    assert reason in one_line(result)


def test_the_echo_canceller_is_measured_in_under_fifteen_seconds(
    mmid: Tool, tmp_path: Path
) -> None:
    found = mmid.json("hal-test", "--echo")
    assert 10 < float((tmp_path / "sound_s").read_text()) < 12, "the rest is a start of mmid"
    echo = next(check for check in found["checks"] if check["check"] == "echo")
    assert echo["passed"], echo["detail"]
    assert echo["measured"]["state"] == "on"
    assert echo["measured"]["erle_db"] >= 20
    assert echo["measured"]["delay_ms"] == pytest.approx(20, abs=3)
    assert abs(echo["measured"]["drift_ppm"]) < 30


def test_an_echo_canceller_without_a_loudspeaker_fails_with_the_reason(mmid: Tool) -> None:
    mmid.write_settings('[audio]\ncapture_device = "room"\nplayback_device = "nowhere"\n')
    found = mmid.json("hal-test", "--echo", status=1)
    (failed,) = [check for check in found["checks"] if not check["passed"]]
    assert failed["check"] == "echo"
    assert "nowhere" in failed["detail"]
