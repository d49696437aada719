"""The unit: systemd understands it, and its sandbox is as tight as the documentation says."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mmid_relay.settings import Alibaba, Baidu, DashScope, Devices, Limits

UNIT = (Path(__file__).parents[1] / "systemd" / "mmid-relay.service").read_text()

pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="there is no systemd-analyze on this machine"
)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that this machine has."""
    path = tmp_path / "mmid-relay.service"
    path.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT, flags=re.MULTILINE))
    return path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *map(str, arguments)]
    if not Path("/run/systemd").exists() and os.geteuid():
        # It wants to make that directory, which only root may: root of a small world.
        script = 'mount -t tmpfs tmpfs /run && exec "$@"'
        command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "-", *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_systemd_has_nothing_to_say_about_it(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_its_exposure_is_at_most_one_and_a_half(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--threshold=15", "--no-pager", unit)
    assert done.returncode == 0, done.stdout


def test_every_recipe_in_its_comments_is_valid(unit: Path) -> None:
    recipes = UNIT.partition("# --- recipes ---")[2].replace("\n#   ", "\n")
    assert recipes.count("[Service]") >= 4
    (unit.parent / "mmid-relay.service.d").mkdir()
    (unit.parent / "mmid-relay.service.d" / "all.conf").write_text(recipes)
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_secret_may_be_a_credential() -> None:
    tables = (Devices, Limits, Alibaba, DashScope, Baidu)
    secrets = {key for table in tables for key in table.from_files}
    loaded = dict(re.findall(r"^LoadCredential=(\w+):(\S+)$", UNIT, re.MULTILINE))
    assert loaded == {key: f"mmid-relay.{key}" for key in secrets}


def test_it_has_more_time_to_stop_than_the_relay_takes() -> None:
    assert "TimeoutStopSec=30s" in UNIT
    assert "RestartPreventExitStatus=78" in UNIT
