import grp
import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from mmid.cli.doctor import machine as module
from mmid.cli.doctor.finding import Verdict
from mmid.cli.doctor.machine import Installation, check_access, check_unit, output_of

ME = pwd.getpwuid(os.geteuid())
MY_GROUP = grp.getgrgid(ME.pw_gid).gr_name


@pytest.fixture
def machine(tmp_path: Path) -> Installation:
    """A machine on which all is well; its accounts are those of whoever runs the tests."""
    write(tmp_path / "usr/share/dbus-1/system.d/org.mmid1.conf")
    write(tmp_path / "usr/lib/systemd/system/mmid.service")
    return Installation(tmp_path, user=ME.pw_name, group=MY_GROUP, sound_group=MY_GROUP)


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


def test_accounts_and_policy_that_are_there_are_fine(machine: Installation) -> None:
    assert check_access(machine, "system").verdict is Verdict.OK


def test_a_missing_user_is_a_failure(machine: Installation) -> None:
    finding = check_access(replace(machine, user="nobody-of-this-name"), "system")
    assert finding.verdict is Verdict.FAILURE
    assert "user nobody-of-this-name" in finding.text
    assert "systemd-sysusers" in finding.remedy


def test_a_missing_group_is_a_failure(machine: Installation) -> None:
    finding = check_access(replace(machine, group="nobody-of-this-name"), "system")
    assert finding.verdict is Verdict.FAILURE
    assert "group nobody-of-this-name" in finding.text
    assert "systemd-sysusers" in finding.remedy


def test_a_missing_policy_is_a_failure(machine: Installation) -> None:
    (machine.root / "usr/share/dbus-1/system.d/org.mmid1.conf").unlink()
    finding = check_access(machine, "system")
    assert finding.verdict is Verdict.FAILURE
    assert "org.mmid1.conf" in finding.remedy


def test_a_daemon_that_may_not_open_sound_is_a_warning(machine: Installation) -> None:
    strange = next(one.gr_name for one in grp.getgrall() if one.gr_name != MY_GROUP)
    finding = check_access(replace(machine, user="nobody", sound_group=strange), "system")
    assert finding.verdict is Verdict.WARNING
    assert f"adduser nobody {strange}" in finding.remedy


@pytest.mark.parametrize(
    ("number", "name"), [(pwd.getpwnam("nobody").pw_uid, "nobody"), (64999, "user 64999")]
)
def test_a_caller_who_is_not_in_the_group_is_told_how_to_join_it(
    machine: Installation, monkeypatch: pytest.MonkeyPatch, number: int, name: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: number)
    monkeypatch.setattr(os, "getegid", lambda: 64999)
    monkeypatch.setattr(os, "getgroups", lambda: [64999])
    finding = check_access(machine, "system")
    assert finding.verdict is Verdict.WARNING
    assert finding.text == f"{name} is not in the group {MY_GROUP} and may not call mmid"
    assert f"adduser {name} {MY_GROUP}" in finding.remedy


def test_a_private_bus_has_no_accounts_to_check(machine: Installation) -> None:
    assert check_access(machine, "unix:path=/run/elsewhere").verdict is Verdict.SKIPPED


def test_a_unit_as_shipped_is_fine(machine: Installation) -> None:
    assert check_unit(machine).verdict is Verdict.OK


def test_a_machine_without_the_unit_is_not_judged(tmp_path: Path) -> None:
    assert check_unit(Installation(tmp_path)).verdict is Verdict.SKIPPED


@pytest.mark.parametrize(
    "change",
    ["etc/systemd/system/mmid.service.d/louder.conf", "run/systemd/system/mmid.service"],
    ids=["drop-in", "replaced"],
)
def test_an_override_is_a_warning_that_names_the_file(machine: Installation, change: str) -> None:
    write(machine.root / change)
    finding = check_unit(machine)
    assert finding.verdict is Verdict.WARNING
    assert str(machine.root / change) in finding.text


def test_a_masked_unit_is_a_failure(machine: Installation) -> None:
    unit = machine.root / "etc/systemd/system/mmid.service"
    unit.parent.mkdir(parents=True)
    unit.symlink_to(os.devnull)
    finding = check_unit(machine)
    assert finding.verdict is Verdict.FAILURE
    assert "unmask" in finding.remedy


def test_both_streams_are_kept_and_any_bytes_are_text(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"#!/bin/sh\necho out; printf '\\377' >&2\n")
    program.chmod(0o755)
    assert output_of(str(program)) == "out\n\N{REPLACEMENT CHARACTER}"


def test_a_program_that_is_not_there_is_said_to_be_missing() -> None:
    assert output_of("/no/such/program --x") == (
        "/no/such/program --x: No such file or directory\n"
    )


def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_S", 0.05)
    assert output_of("sleep 60") == "sleep 60: no answer within 0.05 s\n"
