"""docs/oem-guide.md is followed, command by command, on the board that it is written for."""

import os
import subprocess
from pathlib import Path

from tests.docs.blocks import ON_A_BOARD, blocks
from tests.image.inside.cloud import facts
from tests.image.inside.shell import run, status_of, until
from tests.image.inside.unit import UNIT
from tests.vm.inside.devices import loop_device, nand
from tests.vm.inside.loopback import load_driver

_GUIDE = Path("docs/oem-guide.md")
_EMMC = Path("/dev/mmcblk0")
_EMMC_BYTES = 8 * 1024 * 1024
_RECORD = Path("/dev/mmid-record")
_DROP_INS = Path("/etc/systemd/system") / f"{UNIT}.d"
_CREDENTIAL = Path("/run/credentials") / UNIT / "api_key"

_DROP_IN = "ini"


def every_command_for_a_board_succeeds(place: Path) -> str:
    """In the guide's order, as root, with its drop-ins; what comes of them is what it says."""
    _be_the_board(place)
    commands = drop_ins = 0
    for block in blocks(_GUIDE, ON_A_BOARD, _DROP_IN):
        if block.kind == ON_A_BOARD:
            for command in block.commands:
                _obey(command, place)
            commands += len(block.commands)
        elif "ExecStart" not in block.text:  # that would be a unit of somebody's own
            drop_ins += 1
            _DROP_INS.mkdir(exist_ok=True)
            (_DROP_INS / f"guide-{drop_ins}.conf").write_text(block.text)
            run("systemctl", "daemon-reload")
    return f"{commands} commands, all with status 0, and {drop_ins} drop-ins"


def _obey(command: str, place: Path) -> None:
    """Type a command, and see what comes of it."""
    if command.startswith("systemd-creds"):
        # Another content than the plain file has, so that one sees which of them mmid was given.
        (place / "api_key").write_text(_encrypted())
    done = subprocess.run(
        ["sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
        cwd=place,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    assert done.returncode == 0, f"{command}: {done.returncode}: {done.stdout[-2000:]}"
    _as_the_guide_says(command, done.stdout)


def _encrypted() -> str:
    return f"{facts()['api_key']}\n"


def _be_the_board(place: Path) -> None:
    """What the guide takes for granted: its card, its eMMC, its NAND, and what the line gives."""
    run("modprobe", "-r", "snd-aloop")  # the card that it was may be there
    load_driver("snd-aloop", "id=board")
    if not _EMMC.exists():
        _EMMC.symlink_to(loop_device(place / "emmc.img", _EMMC_BYTES))
    run("modprobe", "ubi")
    run("ubiattach", "/dev/ubi_ctrl", "-m", nand().removeprefix("/dev/mtd"))
    run("udevadm", "settle")
    for package in Path.cwd().glob("mmid_*.deb"):
        (place / package.name).symlink_to(package)
    (place / "api_key").write_text(facts()["api_key"])
    run("systemctl", "start", UNIT)


def _as_the_guide_says(command: str, output: str) -> None:
    """What stands in the guide beside a command, or must be so before the next one."""
    match command.split():
        case ["arecord" | "aplay", "-L"]:
            assert "hw:CARD=board" in output, output
        case ["partx" | "ubimkvol", *_]:
            run("udevadm", "settle")
            assert _RECORD.is_block_device() or _RECORD.is_char_device(), command
        case ["stat", "-L", *_]:
            assert output.strip() == "600:mmid:root", output
        case ["stat", *_]:
            assert output.strip() == "600:root", output
        case ["systemctl", "is-enabled", _]:
            assert output.strip() == "enabled", output
        case ["systemctl", "start", _]:
            assert _CREDENTIAL.read_text() == _encrypted()
        case ["systemctl", "kill", *_]:
            until("it is there again", lambda: not status_of("systemctl", "is-active", UNIT)[0])
