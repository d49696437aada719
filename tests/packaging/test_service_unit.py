import os
import re
import subprocess
from pathlib import Path

import pytest

from mmid.settings.sources import CREDENTIAL_FILES, CREDENTIALS
from tests.docs.blocks import blocks

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "oem-guide.md"
UNIT = (ROOT / "systemd" / "mmid.service").read_text()
BACK_OFF = (ROOT / "systemd" / "back-off.conf").read_text()


def values(key: str, text: str = UNIT) -> list[str]:
    """What the unit says for a key, line by line; its comments do not count."""
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that this machine has, and the socket that it waits for."""
    (tmp_path / "dbus.socket").write_text("[Socket]\nListenStream=/run/dbus/system_bus_socket\n")
    (tmp_path / "dbus.service").write_text("[Service]\nExecStart=/bin/true\n")
    path = tmp_path / "mmid.service"
    path.write_text(UNIT.replace("ExecStart=/usr/bin/mmid", "ExecStart=/bin/true"))
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
    assert recipes.count("[Service]") >= 6
    (unit.parent / "mmid.service.d").mkdir()
    (unit.parent / "mmid.service.d" / "all.conf").write_text(recipes)
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_oem_guide_adds_to_it_is_valid(unit: Path) -> None:
    drop_ins = [block.text for block in blocks(GUIDE, "ini") if "ExecStart" not in block.text]
    assert len(drop_ins) == 2
    (unit.parent / "mmid.service.d").mkdir()
    for number, text in enumerate(drop_ins):
        (unit.parent / "mmid.service.d" / f"{number}.conf").write_text(text)
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")
    recipes = UNIT.replace("\n#   ", "\n")
    assert drop_ins[0].replace("\n\n", "\n") in recipes


def test_the_oem_guides_example_of_a_program_is_valid(tmp_path: Path) -> None:
    (text,) = [block.text for block in blocks(GUIDE, "ini") if "ExecStart" in block.text]
    path = tmp_path / "example.service"
    path.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", text))
    done = analyze("verify", "--man=no", path)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_secret_may_be_a_credential() -> None:
    assert values("LoadCredential") == [f"{name}:mmid.{name}" for name in CREDENTIALS]
    assert "/etc/credstore/mmid.{}" in CREDENTIAL_FILES


def test_it_waits_for_neither_network_nor_clock() -> None:
    for key in ("After", "Requires", "Wants", "BindsTo"):
        assert set(" ".join(values(key)).split()) <= {"dbus.socket"}


def test_sound_is_allowed_by_number_for_its_driver_may_come_after_the_start() -> None:
    assert values("DeviceAllow") == ["char-116 rw"]


def test_adjtimex_may_be_asked_whether_the_clock_is_set() -> None:
    assert "adjtimex clock_adjtime clock_adjtime64" in values("SystemCallFilter")
    assert values("ProtectClock") == []


def test_it_leaves_no_core_and_has_none_of_the_calls_that_attackers_like() -> None:
    assert values("LimitCORE") == ["0"]
    lines = values("SystemCallFilter")
    refused = " ".join(line[1:] for line in lines if line.startswith("~")).split()
    for name in ("@keyring", "userfaultfd", "io_uring_setup", "io_uring_enter"):
        assert name in refused


def test_a_wrong_setting_is_the_only_failure_that_is_not_tried_again() -> None:
    assert values("Restart") == ["on-failure"]
    assert values("RestartPreventExitStatus") == ["2"]
    assert values("StartLimitIntervalSec") == ["0"]


def test_after_a_kill_it_is_back_within_five_seconds_seven_times() -> None:
    def seconds(key: str) -> float:
        return float(values(key, BACK_OFF)[0].removesuffix("s"))

    first, last, steps = (
        seconds("RestartSec"),
        seconds("RestartMaxDelaySec"),
        seconds("RestartSteps"),
    )
    # systemd.service(5): the pause grows exponentially, in so many steps.
    pauses = [first * (last / first) ** (restart / steps) for restart in range(8)]
    assert pauses[7] < 5
    assert last == 60
