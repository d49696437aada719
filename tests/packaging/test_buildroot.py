"""The packages for Buildroot, on a machine without Buildroot: the rules of its utils/check-package
(its manual, chapter "Adding new packages to Buildroot"), and what kconfig and make make of them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

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


def test_the_page_names_every_option() -> None:
    config = (TREE / "package" / "mmid" / "Config.in").read_text()
    page = (TREE / "README.md").read_text()
    for option in re.findall(r"^config (\w+)", config, re.MULTILINE):
        assert f"`{option}`" in page, option


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


_NEEDED = [
    *("BR2_PACKAGE_PYTHON3", "BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS"),
    *("BR2_USE_MMU", "BR2_TOOLCHAIN_HAS_THREADS"),
]


def _menu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return our menu, in a Buildroot that has no more than what it names."""
    kconfiglib = pytest.importorskip("kconfiglib", reason="Debian's builders have none")
    ours = "".join(path.read_text() for path in CONFIGS)
    foreign = set(re.findall(r"BR2_\w+", ours)) - set(re.findall(r"config (BR2_\w+)", ours))
    config = tmp_path / "Config.in"
    config.write_text("".join(f'config {name}\n\tbool "{name}"\n' for name in sorted(foreign)))
    with config.open("a") as file:
        file.write(f'source "{TREE}/Config.in"\n')
    monkeypatch.setenv("BR2_EXTERNAL_MMID_PATH", str(TREE))
    menu = kconfiglib.Kconfig(str(config), warn_to_stderr=False)
    for name in _NEEDED:
        menu.syms[name].set_value("y")
    return menu


def test_mmid_brings_all_that_it_selects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    menu = _menu(tmp_path, monkeypatch)
    menu.syms["BR2_PACKAGE_MMID"].set_value("y")
    selected = re.findall(r"^\tselect (\w+) # runtime$", CONFIGS[0].read_text(), re.MULTILINE)
    assert {name for name in selected if menu.syms[name].str_value != "y"} == {
        *("BR2_PACKAGE_MPG123", "BR2_PACKAGE_OPUS", "BR2_PACKAGE_SPEEXDSP"),  # options of their own
    }
    assert menu.warnings == []


@pytest.mark.parametrize("missing", _NEEDED)
def test_mmid_is_not_offered_where_it_cannot_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """uClibc's toolchains lack the second: there is no Rust for them."""
    menu = _menu(tmp_path, monkeypatch)
    menu.syms[missing].set_value("n")
    menu.syms["BR2_PACKAGE_MMID"].set_value("y")
    assert menu.syms["BR2_PACKAGE_MMID"].str_value == "n"


_MAKEFILE = """\
BR2_EXTERNAL_MMID_PATH = {tree}
TARGET_DIR = {tmp_path}/target
HOST_DIR = {tmp_path}/host
PYTHON3_VERSION_MAJOR = 3.13
{options}
include {tree}/external.mk

define newline


endef
all:
\t$(foreach hook,$(MMID_POST_INSTALL_TARGET_HOOKS) MMID_INSTALL_INIT_SYSTEMD \\
\t    $(MMID_ROOTFS_PRE_CMD_HOOKS),$($(hook))$(newline))
"""


def _make(tmp_path: Path, *options: str) -> Path:
    """Run mmid's hooks as Buildroot does; return Python's library on the board."""
    library = tmp_path / "target" / "usr" / "lib" / "python3.13"
    for name in ("encodings", "unittest", "site-packages/mmid/simcloud"):
        (library / name).mkdir(parents=True)
    python = tmp_path / "host" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    chosen = "\n".join(f"{option} = y" for option in options)
    text = _MAKEFILE.format(tree=TREE, tmp_path=tmp_path, options=chosen)
    command = ["make", "--file=-", f"--directory={ROOT}"]
    subprocess.run(command, input=text, check=True, capture_output=True, text=True, timeout=60)
    return library


def test_the_board_gets_the_unit_and_not_the_simulated_cloud(tmp_path: Path) -> None:
    library = _make(tmp_path)
    unit = tmp_path / "target/etc/systemd/system/multi-user.target.wants/mmid.service"
    assert (tmp_path / "target" / unit.readlink().relative_to("/")).is_file()
    assert not (library / "site-packages/mmid/simcloud").exists()
    assert (library / "unittest").exists()


def test_options_keep_the_simulated_cloud_and_make_python_slim(tmp_path: Path) -> None:
    library = _make(tmp_path, "BR2_PACKAGE_MMID_SIMCLOUD", "BR2_PACKAGE_MMID_SLIM")
    assert (library / "site-packages/mmid/simcloud").exists()
    assert not (library / "unittest").exists()
