"""Who owns what on a board, as the rules say that make it so."""

import re
from pathlib import Path

SYSTEMD = Path(__file__).parents[2] / "systemd"


def lines(name: str) -> list[str]:
    """The lines of a file but for comments and empty ones."""
    text = (SYSTEMD / name).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_records_partition_is_for_the_daemon_alone_and_not_for_the_group_of_the_bus() -> None:
    rules = lines("mmid.udev")
    (given,) = [rule for rule in rules if rule.startswith('TAG=="mmid_record"')]
    assert {'OWNER="mmid"', 'GROUP="root"', 'MODE="0600"'} < set(given.split(", "))
    kinds = {
        re.findall(r'^SUBSYSTEM=="(\w+)"', rule)[0]
        for rule in rules
        if "ATTR" in rule or "ENV" in rule
    }
    assert kinds == {"block", "mtd", "ubi"}
    owners = [rule for rule in rules if "OWNER" in rule or "GROUP=" in rule or "MODE=" in rule]
    assert owners == [given], "another rule would give a medium to somebody else"


def test_settings_are_roots_for_roots_tools_act_on_them() -> None:
    given = {fields[1]: fields[2:5] for fields in map(str.split, lines("mmid.tmpfiles"))}
    for file in ("/etc/mmid/mmid.toml", "/etc/mmid/mmid.toml.d/*.toml"):
        assert given[file] == ["0640", "root", "mmid"]
    for directory in ("/etc/mmid", "/etc/mmid/mmid.toml.d"):
        assert given[directory] == ["0755", "root", "root"]
    buildroot = SYSTEMD.parent / "packaging/buildroot/package/mmid/mmid.mk"
    assert "/etc/mmid/mmid.toml f 640 root mmid " in buildroot.read_text()


def test_the_bus_starts_mmid_by_a_name_that_is_gone_when_it_is_disabled() -> None:
    (name,) = [line for line in lines("org.mmid1.service") if line.startswith("SystemdService=")]
    unit = lines("mmid.service")
    assert f"Alias={name.partition('=')[2]}" in unit[unit.index("[Install]") :]
    assert name != "SystemdService=mmid.service"
