"""The rules of Buildroot's utils/check-package that concern these files (its manual,
chapter "Adding new packages to Buildroot"), for a machine without Buildroot."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREE = ROOT / "packaging" / "buildroot"
MAKEFILES = sorted(TREE.glob("package/*/*.mk"))
CONFIGS = sorted(TREE.glob("package/*/Config.in"))

each_makefile = pytest.mark.parametrize("path", MAKEFILES, ids=[path.stem for path in MAKEFILES])
each_config = pytest.mark.parametrize("path", CONFIGS, ids=[path.parent.name for path in CONFIGS])


def test_the_tree_sources_every_package() -> None:
    sourced = re.findall(r"package/([^/]+)/Config\.in", (TREE / "Config.in").read_text())
    assert sourced == [path.parent.name for path in CONFIGS] == [path.stem for path in MAKEFILES]


@each_makefile
def test_a_makefile_begins_with_the_header_of_buildroot(path: Path) -> None:
    hashes = "#" * 80
    assert path.read_text().startswith(f"{hashes}\n#\n# {path.stem}\n#\n{hashes}\n\n")


@each_makefile
def test_a_makefile_names_variables_after_its_package(path: Path) -> None:
    prefix = path.stem.upper().replace("-", "_")
    names = re.findall(r"^(?:define )?([A-Z0-9_]+_[A-Z0-9_]+)\b", path.read_text(), re.MULTILINE)
    assert names
    assert [name for name in names if not name.startswith(f"{prefix}_")] == []


@each_makefile
def test_a_makefile_indents_with_tabs_where_make_wants_it(path: Path) -> None:
    inside = False
    for line in path.read_text().splitlines():
        if line.startswith("endef"):
            inside = False
        elif inside:
            assert line.startswith("\t"), line
        else:
            assert not line.startswith((" ", "\t")), line
        inside = inside or line.startswith("define ")
        assert line == line.rstrip()
        assert "${" not in line


@each_config
def test_a_config_has_its_attributes_in_order(path: Path) -> None:
    order = ["bool", "default", "depends", "select", "help"]
    at = 0
    for line in path.read_text().splitlines():
        word = line.split()[0] if line.strip() else ""
        if word in {"config", "comment"}:
            at = 0
        elif word in order and not line.startswith("\t  "):
            assert line.startswith(f"\t{word}"), line
            assert order.index(word) >= at, line
            at = order.index(word)


@each_config
def test_a_help_text_has_62_columns(path: Path) -> None:
    for line in path.read_text().splitlines():
        if line.startswith("\t "):
            assert re.fullmatch(r"\t  \S.{0,61}", line), line


def test_every_library_that_mmid_needs_is_selected() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    config = (TREE / "package" / "mmid" / "Config.in").read_text()
    elsewhere = {"systemd-python": "python-systemd"}
    for requirement in project["dependencies"]:
        name = requirement.split()[0]
        package = elsewhere.get(name, f"python-{name}").upper().replace("-", "_")
        assert f"select BR2_PACKAGE_{package}" in config
