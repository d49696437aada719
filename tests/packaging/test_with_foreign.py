"""What runs programs of another architecture: here only what needs neither root nor QEMU."""

import subprocess

from tests.rig.processes import REPOSITORY

SCRIPT = REPOSITORY / "packaging/with-foreign"


def with_foreign(architecture: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, architecture, *command], capture_output=True, text=True, check=False, timeout=60
    )


def test_programs_of_this_machine_are_run_by_this_machine() -> None:
    asked = ["dpkg", "--print-architecture"]
    here = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    done = with_foreign(here, "sh", "-c", 'echo "$1"; exit 3', "-", "two words")
    assert (done.returncode, done.stdout, done.stderr) == (3, "two words\n", "")


def test_an_unknown_architecture_is_refused_before_anything_is_done() -> None:
    done = with_foreign("arm46", "echo", "started")
    assert (done.returncode, done.stdout) == (64, "")
    assert "amd64|arm64|armhf" in done.stderr
