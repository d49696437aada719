import os
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from mmid import __version__
from mmid.errors import TABLE, SettingsInvalid, StorageFailed
from mmid.hal_linux.storage import open_store
from mmid.session.license.record import DeviceRecord

ROOT = Path(__file__).parents[3]
APP_SECRET = "0123456789abcdef" * 2
API_KEY = "key-that-nobody-may-see"

SETTINGS = f"""
[license]
app_id = "mm_0123456789abcdef"
app_secret = "{APP_SECRET}"
api_key = "{API_KEY}"
device_name = "lamp-1"
[clock]
require_sync = false
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mmid.toml"
    path.write_text(f'{SETTINGS}[storage]\ntarget = "file:{tmp_path}/device.bin"\n')
    return path


def mmid(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MMID_")}
    return subprocess.run(
        [sys.executable, "-m", "mmid.cli.mmid", *map(str, arguments)],
        env={**ours, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The only line of the complaint, with nothing on standard output."""
    (line,) = result.stderr.splitlines()
    assert result.stdout == ""
    assert line.startswith("mmid: ")
    return line


def test_it_says_what_would_be_used(config: Path, tmp_path: Path) -> None:
    result = mmid("check", "--config", config)
    assert (result.returncode, result.stderr) == (0, "")
    report = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert report["cloud"].startswith("multimodal-dialog at wss://")
    assert report["device"].startswith("name lamp-1, AppId mm_0123456789abcdef, AppSecret ***")
    assert report["record"] == f"file:{tmp_path}/device.bin: empty; the device would register"
    assert report["clock"] == "set (clock.require_sync = false)"
    assert report["bus"] == "system"


def test_it_records_and_plays_and_a_device_that_fails_is_told(config: Path) -> None:
    result = mmid("check", "--config", config, MMID_AUDIO__CAPTURE_DEVICE="no-such-card")
    assert result.returncode == 0  # mmid starts without it
    report = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert report["capture"].startswith("FAILURE: the sound device 'no-such-card' does not exist")
    null = {"MMID_AUDIO__CAPTURE_DEVICE": "null", "MMID_AUDIO__PLAYBACK_DEVICE": "null"}
    report = dict(
        line.split(maxsplit=1)
        for line in mmid("check", "--config", config, **null).stdout.splitlines()
    )
    assert "16000 Hz mono" in report["capture"]
    assert "24000 Hz mono" in report["playback"]


def test_authorities_that_the_daemon_could_not_use_are_a_wrong_setting(config: Path) -> None:
    result = mmid("check", "--config", config, MMID_CLOUD__CA_FILE=str(config))
    assert result.returncode == TABLE[SettingsInvalid].exit_code
    assert f"cloud.ca_file {config} cannot be used" in one_line(result)


def test_a_proxy_is_told_and_one_that_cannot_be_used_is_refused(config: Path) -> None:
    result = mmid("check", "--config", config, https_proxy="u:hunter2@proxy.example:3128")
    assert "proxy    http://proxy.example:3128\n" in result.stdout
    result = mmid("check", "--config", config, https_proxy="ftp://u:hunter2@proxy.example")
    assert result.returncode == TABLE[SettingsInvalid].exit_code
    assert "https_proxy of the environment cannot be used" in one_line(result)
    assert "hunter2" not in result.stderr


def test_a_cloud_that_wants_a_key_only_is_not_said_to_register(tmp_path: Path) -> None:
    config = tmp_path / "mmid.toml"
    config.write_text(
        f'storage.target = "file:{tmp_path}/device.bin"\nlicense.api_key = "{API_KEY}"\n'
        'cloud.protocol = "qwen-realtime"\n'
    )
    result = mmid("check", "--config", config)
    report = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert report["license"].startswith("nothing is registered; the API key is the credential")
    assert report["record"].endswith("empty; this mode needs none")


@pytest.mark.parametrize(
    ("given", "record", "told"),
    [
        ("", DeviceRecord(), "license.device_name not set, and the device record has no name"),
        ("Lamp-1", DeviceRecord(device_name="lamp-1"), "of lamp-1: license.device_name is another"),
        ("", DeviceRecord(device_name="lamp-1"), ""),
    ],
)
def test_a_name_that_a_cloud_counts_is_there_and_agrees_or_it_is_told(
    tmp_path: Path, given: str, record: DeviceRecord, told: str
) -> None:
    config = counted(tmp_path, given)
    open_store(f"file:{tmp_path}/device.bin").save(record.encode())
    report = dict(
        line.split(maxsplit=1) for line in mmid("check", "--config", config).stdout.splitlines()
    )
    assert told in report["record"]
    assert ("mmid will not connect" in report["record"]) is bool(told)


def counted(tmp_path: Path, device_name: str) -> Path:
    """Return settings for a cloud that counts the names of devices."""
    config = tmp_path / "mmid.toml"
    config.write_text(
        f'storage.target = "file:{tmp_path}/device.bin"\nlicense.device_name = "{device_name}"\n'
        'cloud.protocol = "baidu-rtc"\nbaidu.license_key = "lic-0123456789"\n'
        'baidu.app_id = "app1"\nbaidu.instance_url = "https://relay.example/i"\n'
    )
    return config


def test_a_board_that_a_cloud_activated_under_another_name_is_told(tmp_path: Path) -> None:
    config = counted(tmp_path, "Lamp-1")
    store = open_store(f"file:{tmp_path}/device.bin")
    store.save(DeviceRecord(activated_name="lamp-1").encode())
    result = mmid("check", "--config", config)
    report = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert report["license"] == (
        "an instance of https://relay.example/i for each connection, AppId app1, LicenseKey ***"
    )
    assert report["device"] == "name Lamp-1"
    assert "activated as lamp-1: license.device_name is another" in report["record"]
    assert "lic-" not in result.stdout


def test_it_loads_the_codecs_that_the_settings_ask_for(config: Path) -> None:
    codecs = {"MMID_DIALOG__UPSTREAM_MODE": "raw-opus", "MMID_DIALOG__DOWNSTREAM_MODE": "mp3"}
    said = mmid("check", "--config", config, **codecs, MMID_DIALOG__US_SAMPLE_RATE="48000").stdout
    assert "codecs   raw-opus at 48000 Hz up, mp3 at 24000 Hz down\n" in said
    own = "codecs   pcm at 16000 Hz up, pcm at 24000 Hz down\n"
    assert own in mmid("check", "--config", config).stdout


@pytest.mark.parametrize(
    ("variable", "mode", "package"),
    [
        ("MMID_DIALOG__DOWNSTREAM_MODE", "mp3", "libmpg123-0"),
        ("MMID_DIALOG__DOWNSTREAM_MODE", "opus", "libopus0"),
        ("MMID_DIALOG__UPSTREAM_MODE", "raw-opus", "libopus0"),
    ],
)
def test_a_codec_without_its_library_is_refused_with_the_package_to_install(
    config: Path, tmp_path: Path, variable: str, mode: str, package: str
) -> None:
    for library in ("libmpg123.so.0", "libopus.so.0"):
        (tmp_path / library).write_text("no library")  # found first, and not one
    missing = {variable: mode, "LD_LIBRARY_PATH": str(tmp_path)}
    result = mmid("check", "--config", config, **missing)
    assert result.returncode == TABLE[SettingsInvalid].exit_code
    key = variable.removeprefix("MMID_DIALOG__").lower()
    assert f"dialog.{key} = {mode!r} needs lib" in one_line(result)
    assert f"install {package}" in one_line(result)


def write_prompt(path: Path, *, channels: int = 1, seconds: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * channels * 8000 * seconds))


def test_a_prompt_that_could_not_be_played_is_one_line_and_exit_2(
    config: Path, tmp_path: Path
) -> None:
    write_prompt(tmp_path / "good.wav", seconds=10)
    write_prompt(tmp_path / "stereo.wav", channels=2)
    write_prompt(tmp_path / "long.wav", seconds=11)
    (tmp_path / "text.wav").write_text("no sound")
    prompts = {"MMID_PROMPTS__DIRECTORY": str(tmp_path), "MMID_PROMPTS__OFFLINE": "good.wav"}
    assert mmid("check", "--config", config, **prompts).returncode == 0
    for name, why in (
        ("none.wav", "cannot be read: No such file or directory"),
        ("stereo.wav", "is no WAV of 16-bit mono"),
        ("text.wav", "is no WAV of 16-bit mono"),
        ("long.wav", "is longer than 10 s"),
    ):
        result = mmid("check", "--config", config, **prompts, MMID_PROMPTS__ERROR=name)
        assert result.returncode == TABLE[SettingsInvalid].exit_code
        assert f'prompts.error = "{name}": {tmp_path}/{name} {why}' in one_line(result)


def test_it_changes_nothing(config: Path, tmp_path: Path) -> None:
    assert mmid("check", "--config", config).returncode == 0
    assert list(tmp_path.iterdir()) == [config]


def test_files_that_are_open_to_others_are_told_in_a_line_each(config: Path) -> None:
    config.chmod(0o666)
    result = mmid("check", "--config", config)
    told = [line for line in result.stdout.splitlines() if line.startswith("open ")]
    assert len(told) == 3
    assert "root's tools act on it" in told[0]
    assert "license.app_secret, and everybody may read it" in told[1]
    assert "license.api_key, and everybody may read it" in told[2]
    config.chmod(0o600)
    assert "\nopen " not in mmid("check", "--config", config).stdout


def test_it_shows_no_secret(config: Path) -> None:
    result = mmid("check", "--config", config)
    assert APP_SECRET not in result.stdout + result.stderr
    assert API_KEY not in result.stdout + result.stderr


def test_it_sees_the_record(config: Path, tmp_path: Path) -> None:
    open_store(f"file:{tmp_path}/device.bin").save(b"a record")
    assert "device.bin: 8 bytes, plain" in mmid("check", "--config", config).stdout


def test_a_device_without_identity_is_a_state_and_not_an_error(tmp_path: Path) -> None:
    config = tmp_path / "mmid.toml"
    config.write_text(f'storage.target = "file:{tmp_path}/device.bin"\n')
    result = mmid("check", "--config", config)
    assert result.returncode == 0
    assert "the device cannot register. Set license.app_id" in result.stdout


@pytest.mark.parametrize(
    ("protocol", "missing"),
    [
        ("qwen-realtime", "license.api_key (or license.token_url)"),
        ("baidu-rtc", "baidu.instance_url, baidu.app_id, baidu.license_key"),
    ],
)
def test_a_cloud_without_its_key_is_one_line_and_exit_2(
    tmp_path: Path, protocol: str, missing: str
) -> None:
    config = tmp_path / "mmid.toml"
    config.write_text(
        f'cloud.protocol = "{protocol}"\nstorage.target = "file:{tmp_path}/device.bin"\n'
    )
    result = mmid("check", "--config", config)
    assert result.returncode == 2
    said = f'mmid: {missing} not set: cloud.protocol = "{protocol}" needs it'
    assert one_line(result) == said


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_wrong_setting_is_one_line_and_exit_2(command: str, config: Path) -> None:
    config.write_text("[audio]\nperiod_ms = 5\n")
    result = mmid(command, "--config", config)
    assert result.returncode == TABLE[SettingsInvalid].exit_code == 2
    said = f"mmid: {config}: audio.period_ms = 5: must be a whole number from 10 to 100"
    assert one_line(result) == said


def test_a_wrong_secret_is_not_shown(config: Path) -> None:
    result = mmid("check", "--config", config, MMID_LICENSE__APP_SECRET=API_KEY)
    assert "MMID_LICENSE__APP_SECRET: license.app_secret = ***: must be" in one_line(result)


@pytest.mark.parametrize("command", [["check"], ["run"], ["hal-test"], ["storage", "show"]])
def test_a_key_with_a_comment_above_it_is_refused_and_stands_nowhere(
    command: list[str], config: Path, tmp_path: Path
) -> None:
    (tmp_path / "api_key").write_text(f"# of the lamps\n{API_KEY}\n")
    result = mmid(*command, "--config", config, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert result.returncode == 2
    assert one_line(result).startswith("mmid: credential api_key: license.api_key = ***: must be")
    assert API_KEY[:8] not in result.stderr


def test_a_damaged_record_is_one_line_with_its_remedy(config: Path, tmp_path: Path) -> None:
    store = open_store(f"file:{tmp_path}/device.bin")
    store.save(b"a record")
    for copy in tmp_path.glob("device.bin*"):
        copy.write_bytes(copy.read_bytes()[:-1] + b"\xff")
    result = mmid("check", "--config", config)
    assert result.returncode == TABLE[StorageFailed].exit_code
    assert f"{tmp_path}/device.bin" in one_line(result)
    assert "(Restore it from a backup; " in one_line(result)


def test_a_module_that_happens_to_lie_around_is_not_run(config: Path, tmp_path: Path) -> None:
    trap = tmp_path / "elsewhere"
    trap.mkdir()
    (trap / "tomllib.py").write_text("raise SystemExit('trapped')")
    result = subprocess.run(
        [sys.executable, "-P", "-m", "mmid.cli.mmid", "check", "--config", config],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=trap,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_a_reader_that_goes_away_is_no_error(config: Path) -> None:
    command = f'"{sys.executable}" -m mmid.cli.mmid check --config "{config}"; echo $? >&2'
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    os.close(writer)
    assert result.stderr == "0\n"


def test_the_version_is_the_package_s() -> None:
    assert mmid("--version").stdout == f"mmid {__version__}\n"


def test_help_names_every_exit_status() -> None:
    text = " ".join(mmid("--help").stdout.split())
    assert "0 all is well; 1 a check of hal-test failed; 2 a setting or an option is wrong" in text
