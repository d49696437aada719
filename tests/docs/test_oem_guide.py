"""docs/oem-guide.md is true: what can be run here is run, in its order; the rest fits the tools.

That rest is run on a board: ``tests.image.inside.guide``.
"""

import json
import re
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from mmid.session.license.codes import CODES, Remedy
from tests.docs.blocks import ANYWHERE, ON_A_BOARD, blocks
from tests.docs.desk import APP_SECRET, Desk
from tests.docs.page import parse_command
from tests.rig.processes import REPOSITORY

GUIDE = REPOSITORY / "docs" / "oem-guide.md"
TEXT = GUIDE.read_text()

# What the commands for a board begin with, and the Debian package that has it.
TOOLS = {
    "amixer": "alsa-utils",
    "aplay": "alsa-utils",
    "apt-get": "apt",
    "arecord": "alsa-utils",
    "install": "coreutils",
    "journalctl": "systemd",
    "mmid": "mmid",
    "openssl": "openssl",
    "partx": "util-linux",
    "sgdisk": "gdisk",
    "stat": "coreutils",
    "systemctl": "systemd",
    "systemd-analyze": "systemd",
    "systemd-creds": "systemd",
    "ubimkvol": "mtd-utils",
    "udevadm": "udev",
}

ON_THE_BOARD = [command for block in blocks(GUIDE, ON_A_BOARD) for command in block.commands]
HERE = [command for block in blocks(GUIDE, ANYWHERE) for command in block.commands]


async def test_every_command_that_needs_no_board_succeeds_in_the_guides_order(
    tmp_path: Path,
) -> None:
    (settings,) = blocks(GUIDE, "toml")
    done = {}
    async with Desk(tmp_path, settings.text) as desk:
        for block in blocks(GUIDE, ANYWHERE, ON_A_BOARD):
            for command in block.commands:
                if block.kind == ANYWHERE:
                    result = await desk.run(command)
                    assert (result.status, result.complaint) == (0, ""), result
                    done[command] = result.output
                elif command == "systemctl start mmid":
                    await desk.start_mmid()
                elif command == "systemctl stop mmid":
                    await desk.stop_mmid()
    assert len(done) >= 18
    verdict = json.loads(done["mmid hal-test --acoustic --json"])
    assert (verdict["serial"], verdict["passed"]) == ("SN-000123", True)
    assert "is listening" in done["mmictl status"]
    for label in ("license", "capture", "playback", "volume"):
        assert re.search(rf"^  {label} ", done["mmictl status"], re.MULTILINE), label
    assert "It is noon." in done["mmictl talk --seconds 2"]
    assert "failure" not in done["mmictl doctor"]
    assert "heard" in done["mmictl timeline"]
    bundle = tmp_path / "support.tar.gz"
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    with tarfile.open(bundle) as archive:
        files = [archive.extractfile(member) for member in archive]
        assert APP_SECRET.encode() not in b"".join(file.read() for file in files if file)


def test_the_commands_for_a_board_are_of_tools_that_debian_has() -> None:
    for command in ON_THE_BOARD:
        subprocess.run(["sh", "-n", "-c", command], check=True, timeout=10)
        words = command.removeprefix("(umask 077; ").split()
        assert words[0] in TOOLS, command
        if words[0] == "systemctl":
            assert words[-1] == "mmid", command
    assert {command.removeprefix("(umask 077; ").split()[0] for command in ON_THE_BOARD} == {*TOOLS}


OF_MMID = [command for command in HERE + ON_THE_BOARD if command.startswith(("mmid ", "mmictl "))]


@pytest.mark.parametrize("command", sorted(set(OF_MMID)))
def test_every_command_of_mmid_is_one(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parse_command(command, monkeypatch)


def test_every_license_code_stands_with_who_has_to_act() -> None:
    rows = re.findall(
        r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \| ([^|]*\d{6}[^|]*) \|", TEXT, re.MULTILINE
    )
    told: dict[str, set[str]] = {}
    for remedies, codes in rows:
        for code in re.findall(r"\d{6}", codes):
            told.setdefault(code, set()).update(re.findall(r"[a-z-]+", remedies))
    assert told.keys() == CODES.keys()
    for code, row in CODES.items():
        assert row.remedy in told[code]
        assert row.at_last is None or row.at_last in told[code]


def test_every_remedy_stands_with_who_has_to_act() -> None:
    section = TEXT.partition("\n## 11. ")[2].partition("\n## 12. ")[0]
    first_cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    assert set(re.findall("`([^`]+)`", " ".join(first_cells))) == {*Remedy}
