"""Who may talk with mmid and hear it, on the real system bus with real users."""

import subprocess
import time
from pathlib import Path

from tests.image.inside.service import listening
from tests.image.inside.shell import run, status_of
from tests.image.inside.unit import UNIT, show
from tests.vm.inside.loopback import load_driver

_BUSY, _NOT_PERMITTED = 75, 77

STRANGER, MEMBER = "stranger", "member"
_DIALOG = "org.mmid1.Dialog"


async def a_member_may_and_a_stranger_may_not_even_hear(place: Path) -> str:
    """Calls and signals: root, the group mmid, anybody else."""
    add_users()
    load_driver("snd-aloop")  # an answer that nobody can hear is an error
    async with listening() as listener:
        await listener.wait_for(".State", "listening")
    for command in (("status",), ("ask", "hello"), ("talk", "--seconds", "1"), ("monitor",)):
        status, said = status_of("mmictl", *command, user=STRANGER)
        assert status == _NOT_PERMITTED, (command, status, said)
    raw = ("busctl", "call", "org.mmid1", "/org/mmid1", _DIALOG, "NewDialog")
    status, said = status_of(*raw, user=STRANGER)
    assert status, said
    assert "denied" in said.lower(), said
    status, said = status_of("mmictl", "device", "reset", "--yes", user=MEMBER)
    assert status == _NOT_PERMITTED, (status, said)
    ears = {user: _ear(user) for user in (STRANGER, MEMBER, "root")}
    try:
        time.sleep(1.0)  # noqa: ASYNC251 - busctl says nothing when it has begun to listen
        assert "noise" in run("mmictl", "ask", "hello", user=MEMBER)
        for user in (MEMBER, "root"):
            heard, _ = ears[user].communicate(timeout=20)
            assert "noise" in heard, (user, heard)
        assert ears[STRANGER].poll() is None, ears[STRANGER].communicate()
    finally:
        for ear in ears.values():
            ear.kill()
            ear.wait()
    return f"{_bus()}: the member asked and heard, the stranger was refused and heard nothing"


async def who_holds_the_microphone_is_named_from_the_sandbox(place: Path) -> str:
    """mmid does not see other users' processes (``ProtectProc=``), and names them all the same."""
    add_users()
    load_driver("snd-aloop")
    async with listening() as listener:
        await listener.wait_for(".State", "listening")
        with _start(MEMBER, "mmictl", "talk", "--seconds", "5"):
            await listener.wait_for("SpeechStart")
            status, said = status_of("mmictl", "talk", "--seconds", "1")
    assert status == _BUSY, (status, said)
    assert "of image-test.service, process " in said, said
    return said.strip().splitlines()[0]


async def nobody_starts_what_root_has_disabled(place: Path) -> str:
    """Neither a call nor the bus's own request; a stranger and a member are refused alike."""
    add_users()
    run("systemctl", "disable", "--now", UNIT)
    ask = (
        "busctl",
        "call",
        "org.freedesktop.DBus",
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus",
    )
    for user in (STRANGER, MEMBER):
        for command in (
            (*ask, "StartServiceByName", "su", "org.mmid1", "0"),
            ("mmictl", "connect"),
        ):
            status, said = status_of(*command, user=user)
            assert status, (user, command, said)
            assert show("ActiveState") == "inactive", (user, command, said)
    run("systemctl", "enable", UNIT)
    run("mmictl", "connect", user=MEMBER)
    assert show("ActiveState") == "active"
    return "disabled it stayed down; enabled, a member's call started it"


async def so_it_is_with_the_other_bus(place: Path) -> str:
    """dbus-broker reads the same policy."""
    assert _bus() == "dbus-broker", _bus()
    return await a_member_may_and_a_stranger_may_not_even_hear(place)


def _bus() -> str:
    """Return which program the system bus is."""
    pid = run("systemctl", "show", "--property=MainPID", "--value", "dbus.service").strip()
    name = Path(f"/proc/{pid}/comm").read_text().strip()
    return "dbus-broker" if name.startswith("dbus-broker") else name


def add_users() -> None:
    """Make somebody who may call mmid, and somebody who may not."""
    for user, groups in ((STRANGER, ""), (MEMBER, "mmid")):
        if status_of("id", user)[0]:
            run("useradd", "--groups", groups, user)


def _ear(user: str) -> "subprocess.Popen[str]":
    """Wait for the end of a reply's text as a user, whoever sends it."""
    return _start(user, "busctl", "--system", "wait", "/org/mmid1", _DIALOG, "LlmComplete")


def _start(user: str, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        ["runuser", "-u", user, "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
