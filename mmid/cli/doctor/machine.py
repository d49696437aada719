"""How mmid is installed on this machine: accounts, the bus's policy, the unit."""

import grp
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mmid.child import Child
from mmid.cli.doctor.finding import Finding, failed, fine, skipped, warned

_Entry = TypeVar("_Entry")

_POLICY = (
    "etc/dbus-1/system.d/org.mmid1.conf",
    "usr/share/dbus-1/system.d/org.mmid1.conf",
)

# systemd.unit(5): where units live, the strongest first.
_UNITS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system")
_SHIPPED = ("usr/lib/systemd/system", "lib/systemd/system")
_UNIT = "mmid.service"

# What other programs of the board have to answer.
_LONGEST_S = 20.0


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a machine keeps these things.

    Attributes:
        root: the root directory.
        user: who the daemon runs as.
        group: whose members may talk with it.
        sound_group: who may open sound cards.
    """

    root: Path = Path("/")
    user: str = "mmid"
    group: str = "mmid"
    sound_group: str = "audio"


def check_access(machine: Installation, bus: str) -> Finding:
    """Whether accounts and bus policy let the daemon work and this user call it."""
    if bus != "system":
        return skipped("access", "not the system bus: its policy and its accounts do not matter")
    group, user = _find(grp.getgrnam, machine.group), _find(pwd.getpwnam, machine.user)
    if group is None or user is None:
        text = f"there is no {'group ' + machine.group if user else 'user ' + machine.user}"
        return failed("access", text, "Run systemd-sysusers, or install the package again.")
    if not any((machine.root / place).exists() for place in _POLICY):
        text = "the bus has no policy for org.mmid1: it lets nobody own the name"
        return failed("access", text, "Install /usr/share/dbus-1/system.d/org.mmid1.conf.")
    if machine.sound_group not in _groups_of(user):
        text = f"the user {machine.user} is not in the group {machine.sound_group}"
        remedy = (
            f"As root: adduser {machine.user} {machine.sound_group}; then systemctl restart mmid."
        )
        return warned("access", text, remedy)
    if os.geteuid() != 0 and group.gr_gid not in {os.getegid(), *os.getgroups()}:
        caller = _find(pwd.getpwuid, os.geteuid())
        name = caller.pw_name if caller else f"user {os.geteuid()}"
        text = f"{name} is not in the group {machine.group} and may not call mmid"
        remedy = f"As root: adduser {name} {machine.group}; it counts from the next login on."
        return warned("access", text, remedy)
    text = f"user and group {machine.user}, in {machine.sound_group}; the policy is there"
    return fine("access", text)


def _find(look_up: Callable[[Any], _Entry], key: int | str) -> _Entry | None:
    try:
        return look_up(key)
    except KeyError:
        return None


def _groups_of(user: pwd.struct_passwd) -> set[str]:
    groups = (_find(grp.getgrgid, gid) for gid in os.getgrouplist(user.pw_name, user.pw_gid))
    return {group.gr_name for group in groups if group}


def check_unit(machine: Installation) -> Finding:
    """Whether somebody changed the unit: what was tested is what was shipped."""
    if not any((machine.root / place / _UNIT).exists() for place in (*_UNITS, *_SHIPPED)):
        return skipped("unit", f"there is no {_UNIT} on this machine")
    changes = []
    for place in _UNITS:
        # systemctl mask makes a symbolic link to /dev/null.
        whole = machine.root / place / _UNIT
        if whole.is_symlink() and str(whole.readlink()) == os.devnull:
            return failed("unit", f"{_UNIT} is masked", f"systemctl unmask {_UNIT}")
        if whole.exists():
            changes.append(str(whole))
        changes += map(str, sorted((machine.root / place / f"{_UNIT}.d").glob("*.conf")))
    if changes:
        return warned(
            "unit",
            f"the unit was changed by {', '.join(changes)}",
            f"systemctl cat {_UNIT} shows what is in force; systemctl revert {_UNIT} undoes it.",
        )
    return fine("unit", f"{_UNIT} is as it was shipped")


def output_of(command: str) -> str:
    """Return what another program prints, on both streams; or why it printed nothing."""
    try:
        child = Child.run(command.split()).finish(_LONGEST_S)
    except OSError as error:
        return f"{command}: {error.strerror}\n"
    if child.status is None:
        return f"{command}: no answer within {_LONGEST_S:g} s\n"
    return (child.output + child.complaint).decode(errors="replace")
