import json
import os
import pwd
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mmid.child import Child, to_plain
from mmid.cli.doctor import as_daemon as module
from mmid.cli.doctor.as_daemon import as_daemon
from mmid.cli.doctor.finding import Verdict
from mmid.session.clouds import with_own_rates
from mmid.settings import Settings
from tests.rig.script import run_script

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# The check as the doctor starts it, with a user that every Debian has for the daemon's.
CHECK = """
import sys
from mmid.cli import daemon_user
from mmid.cli.doctor import as_daemon
daemon_user.USER = "daemon"
sys.exit(as_daemon.main())
"""


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A directory that every user can write to, which pytest's own are not."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def playing_to(device: str) -> Settings:
    settings = with_own_rates(Settings())
    return replace(settings, audio=replace(settings.audio, playback_device=device))


@as_root
def test_a_pcm_that_is_a_command_runs_without_roots_rights(everybodys: Path) -> None:
    """A setting that names ``tee:`` has alsa-lib run a shell."""
    told = everybodys / "told"
    audio = playing_to(f"tee:null,'|id -u >{told}; cat >/dev/null',raw").audio
    question = json.dumps({"audio": to_plain(audio)}).encode()
    ended = Child.run([sys.executable, "-c", CHECK, "playback", "board"], question).finish(30)
    assert ended.status == 0, ended.complaint
    assert json.loads(ended.output)["check"] == "playback"
    assert told.read_text() == f"{pwd.getpwnam('daemon').pw_uid}\n"


@as_root
def test_what_a_pcm_prints_is_no_part_of_the_finding() -> None:
    (found,) = as_daemon("playback", "board", playing_to("tee:null,'|echo noise; cat',raw"))
    assert found.verdict is Verdict.OK


# In a process without threads: who is not root forks.
TRY = """
import sys
from dataclasses import replace
from mmid.cli.doctor.as_daemon import as_daemon
from mmid.session.clouds import with_own_rates
from mmid.settings import Settings
audio = replace(Settings().audio, capture_device="null", playback_device="no-such-card")
settings = replace(with_own_rates(Settings()), audio=audio)
for check in ("capture", "playback", "mixer"):
    (finding,) = as_daemon(check, "board", settings)
    print(finding.check, finding.verdict)
"""


def test_the_findings_are_those_of_the_checks_themselves() -> None:
    assert run_script(TRY).stdout.splitlines() == [
        "capture ok",
        "playback failure",
        "mixer skipped",
    ]


@as_root
def test_it_is_said_where_root_opened_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        pwd.getpwnam("mmid")
    except KeyError:
        (finding,) = as_daemon("playback", "board", playing_to("null"))
        assert "opened as root, for there is no user mmid" in finding.text


@as_root
def test_a_device_that_hangs_and_a_check_that_breaks_are_findings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_LONGEST_S", 0.01)
    (finding,) = as_daemon("playback", "board", playing_to("null"))
    assert (finding.verdict, finding.text) == (
        Verdict.FAILURE,
        "the device was not opened within 0.01 s",
    )
    monkeypatch.undo()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    (finding,) = as_daemon("playback", "board", playing_to("null"))
    assert finding.text == "the check itself failed: exit status 1"
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    (finding,) = as_daemon("playback", "board", playing_to("null"))
    assert "no process can be started: No such file" in finding.text
