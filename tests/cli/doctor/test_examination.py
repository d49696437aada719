import json
from pathlib import Path

from mmid.child import from_plain
from mmid.cli.doctor.finding import Finding, Verdict
from tests.rig.script import run_script

IN_ORDER = [
    *(
        "settings",
        "files",
        "record",
        "clock",
        "trust",
        "names",
        "tls",
        "capture",
        "playback",
        "codecs",
    ),
    *("mixer", "access", "unit", "daemon", "license", "dialog", "workspace"),
]


# It forks, which a process with threads had better not.
EXAMINE = """
import json, os, signal, sys
from pathlib import Path
from mmid.child import to_plain
from mmid.cli.doctor import board, examination, machine, network, record

def stumble(*_):
    raise ZeroDivisionError("of the doctor's own")

async def stumble_later(_):
    raise ZeroDivisionError("of the doctor's own")

def die(_):
    os.kill(os.getpid(), signal.SIGKILL)

{changed}
where = Path({where!r})
installation = machine.Installation(where)
for one in examination.examine(where / "mmid.toml", f"unix:path={{where}}/no-bus", installation):
    print(json.dumps(to_plain(one)))
"""


def findings(tmp_path: Path, settings: str, changed: str = "") -> dict[str, Finding]:
    """Return what a doctor finds some of whose checks were changed."""
    (tmp_path / "mmid.toml").write_text(settings)
    script = EXAMINE.format(where=str(tmp_path), changed=changed)
    told = [json.loads(line) for line in run_script(script).stdout.splitlines()]
    return {one["check"]: from_plain(Finding, one) for one in told}


def test_settings_that_cannot_be_read_spare_what_stands_on_them(tmp_path: Path) -> None:
    found = findings(tmp_path, "[audio]\nperiod_ms = 9\n")
    assert list(found) == IN_ORDER
    assert found["settings"].verdict is Verdict.FAILURE
    assert "audio.period_ms = 9" in found["settings"].text
    assert {found[check].verdict for check in IN_ORDER[1:11]} == {Verdict.SKIPPED}


def test_a_check_that_stumbles_is_a_finding_and_not_the_last_one(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        "",
        "record.check_record = board.check_clock = board.check_codecs = stumble\n"
        "network.check_tls = stumble_later\n",
    )
    assert list(found) == IN_ORDER
    for check in ("record", "clock", "codecs", "tls"):
        assert found[check].verdict is Verdict.FAILURE
        assert "the check itself failed: ZeroDivisionError at " in found[check].text
        assert "own" not in found[check].text
    assert found["unit"].verdict is Verdict.SKIPPED


def test_a_check_that_the_kernel_ends_for_want_of_memory_says_so_and_is_not_the_last_one(
    tmp_path: Path,
) -> None:
    found = findings(tmp_path, "", "network.check_names = die")
    assert list(found) == IN_ORDER
    assert "no memory left" in found["names"].text
    assert "systemctl stop mmid" in found["names"].remedy
