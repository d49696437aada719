"""Settings from a process of their own: a program, or a fork of one that has no threads yet."""

import os
import sys
from pathlib import Path

import pytest

from mmid.errors import SettingsInvalid
from mmid.settings import Settings
from mmid.settings.loading import start_loading
from tests.rig.script import run_script

SECRET = "0123456789abcdef" * 2


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mmid.toml"
    path.write_text(
        f'[license]\ndevice_name = "lamp-1"\napp_secret = "{SECRET}"\n'
        '[dialog]\nwork_mode = "duplex"\n'
    )
    return path


def test_the_child_hands_over_every_key(config: Path) -> None:
    settings = start_loading(config).finish()
    assert settings.dialog.work_mode == "duplex"
    assert settings.license.app_secret.reveal() == SECRET
    assert settings.audio == Settings().audio
    assert (settings.dialog.us_sample_rate, settings.dialog.ds_sample_rate) == (16000, 24000)


def test_a_wrong_setting_is_told_in_one_line(config: Path) -> None:
    config.write_text("[audio]\nperiod_ms = 5\n")
    with pytest.raises(SettingsInvalid) as caught:
        start_loading(config).finish()
    assert str(caught.value) == (
        f"{config}: audio.period_ms = 5: must be a whole number from 10 to 100"
    )


def test_a_file_without_an_end_is_not_waited_for(config: Path) -> None:
    config.unlink()
    os.mkfifo(config)
    with pytest.raises(SettingsInvalid, match=r"not read within 0\.2 s"):
        start_loading(config).finish(timeout_s=0.2)


def test_a_child_that_says_nothing_is_told_by_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SettingsInvalid, match="exit status 1"):
        start_loading(None).finish()


def test_a_child_that_cannot_be_started_leaves_the_settings_unread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(SettingsInvalid, match="No such file"):
        start_loading(None)


def told(config: Path, script: str, **environment: str) -> list[str]:
    """Run a script that may use ``config``, and return the lines that it prints."""
    prelude = (
        "import sys\n"
        "from pathlib import Path\n"
        "from mmid.settings.loading import fork_loading, start_loading\n"
        f"config = Path({str(config)!r})\n"
    )
    return run_script(prelude + script, **environment).stdout.splitlines()


def test_the_fork_reads_what_a_new_process_reads(config: Path) -> None:
    lines = told(config, "print(fork_loading(config).finish() == start_loading(config).finish())\n")
    assert lines == ["True"]


def test_what_the_fork_imports_goes_with_it(config: Path) -> None:
    lines = told(
        config,
        "fork_loading(config).finish()\n"
        "print(sys.modules.keys() & {'asyncio', 'hashlib', 'pydantic', 'tomllib'})\n",
    )
    assert lines == ["set()"]


def test_settings_proven_good_are_not_judged_by_the_fork_either(
    config: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    script = "print(fork_loading(config).finish().license.device_name)\n"
    assert told(config, script, STATE_DIRECTORY=str(state)) == ["lamp-1"]
    unjudged = "sys.modules['pydantic'] = None\n"
    assert told(config, unjudged + script, STATE_DIRECTORY=str(state)) == ["lamp-1"]
