"""Settings from a fork; each test forks a process of its own, as pytest has threads."""

import os
from pathlib import Path

import pytest

from tests.rig.script import run_script

SECRET = "0123456789abcdef" * 2


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mmid.toml"
    path.write_text(f'[license]\ndevice_name = "lamp-1"\napp_secret = "{SECRET}"\n')
    return path


def told(config: Path, script: str, **environment: str) -> list[str]:
    """Run a script that may use ``config``, and return the lines that it prints."""
    prelude = (
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from mmid.errors import SettingsInvalid\n"
        "from mmid.settings import forked\n"
        f"config = Path({str(config)!r})\n"
    )
    done = run_script(prelude + script, **environment)
    assert done.stderr == ""
    return done.stdout.splitlines()


FAILED = "try: print(loading.finish({}))\nexcept SettingsInvalid as error: print(error)\n"
# Nobody is left: there is no child that could be waited for.
REAPED = "try: os.waitpid(-1, 0)\nexcept ChildProcessError: print('reaped')\n"


def test_the_fork_reads_what_a_new_process_reads(config: Path) -> None:
    lines = told(
        config,
        "from mmid.settings.child import start_loading\n"
        "found = forked.fork_loading(config).finish()\n"
        "print(found.license.device_name, found.license.app_secret.reveal())\n"
        "print(found == start_loading(config).finish())\n" + REAPED,
    )
    assert lines == [f"lamp-1 {SECRET}", "True", "reaped"]


def test_what_the_fork_imports_goes_with_it(config: Path) -> None:
    lines = told(
        config,
        "forked.fork_loading(config).finish()\n"
        "print(sys.modules.keys() & {'asyncio', 'hashlib', 'pydantic', 'tomllib'})\n",
    )
    assert lines == ["set()"]


def test_a_wrong_setting_is_told_in_one_line(config: Path) -> None:
    config.write_text("[audio]\nperiod_ms = 5\n")
    lines = told(config, "loading = forked.fork_loading(config)\n" + FAILED.format("") + REAPED)
    wrong = f"{config}: audio.period_ms = 5: must be a whole number from 10 to 100"
    assert lines == [wrong, "reaped"]


def test_settings_proven_good_are_not_judged_by_the_fork_either(
    config: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    script = "print(forked.fork_loading(config).finish().license.device_name)\n"
    assert told(config, script, STATE_DIRECTORY=str(state)) == ["lamp-1"]
    unjudged = "sys.modules['pydantic'] = None\n"
    assert told(config, unjudged + script, STATE_DIRECTORY=str(state)) == ["lamp-1"]


def test_a_fork_that_gets_no_end_of_its_file_is_killed(config: Path) -> None:
    config.unlink()
    os.mkfifo(config)
    lines = told(config, "loading = forked.fork_loading(config)\n" + FAILED.format(0.2) + REAPED)
    assert "not read within 0.2 s" in lines[0]
    assert lines[1:] == ["reaped"]


def test_a_fork_that_is_killed_leaves_no_settings(config: Path) -> None:
    lines = told(
        config,
        "forked._read = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "loading = forked.fork_loading(config)\n" + FAILED.format("") + REAPED,
    )
    assert lines == ["the settings could not be read: exit status -9", "reaped"]


def test_an_error_nobody_thought_of_is_told_without_its_secrets(config: Path) -> None:
    lines = told(
        config,
        "from mmid.secrets import Secret\n"
        f"secret = Secret({SECRET!r})\n"
        "from mmid.settings import proven\n"
        "def broken(_): raise RuntimeError(f'bad {secret.reveal()}')\n"
        "proven.load_proven = broken\n"
        "loading = forked.fork_loading(config)\n" + FAILED.format(""),
    )
    assert lines == ["the settings could not be read: RuntimeError('bad ***')"]


def test_the_fork_does_not_end_as_the_process_it_was_forked_from(config: Path) -> None:
    lines = told(
        config,
        "import atexit\natexit.register(print, 'ended')\n"
        "print('said before', end='')\n"
        "forked.fork_loading(config).finish()\nprint()\n",
    )
    assert lines == ["said before", "ended"]


def test_a_process_that_is_started_with_sigchld_ignored_gets_its_settings_too(
    config: Path,
) -> None:
    lines = told(
        config,
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "print(forked.fork_loading(config).finish().license.device_name)\n",
    )
    assert lines == ["lamp-1"]
