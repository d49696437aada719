import re
import subprocess
from pathlib import Path

from mmid.dbus.interface import load

ROOT = Path(__file__).parents[2]
PROMPTS = ROOT / "packaging" / "prompts"


def test_everything_that_is_not_python_has_its_place(tmp_path: Path) -> None:
    command = [ROOT / "packaging" / "install-files", tmp_path]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    installed = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {name for name in installed if not name.startswith("usr/share/man/")} == {
        "etc/mmid/mmid.toml",
        "usr/share/bash-completion/completions/mmictl",
        "usr/share/bash-completion/completions/mmid",
        "usr/lib/systemd/catalog/mmid.catalog",
        "usr/lib/systemd/system/mmid.service",
        "usr/lib/systemd/system/mmid.service.d/back-off.conf",
        "usr/lib/sysusers.d/mmid.conf",
        "usr/lib/tmpfiles.d/mmid.conf",
        "usr/lib/udev/rules.d/65-mmid.rules",
        "usr/share/dbus-1/interfaces/org.mmid1.xml",
        "usr/share/dbus-1/system-services/org.mmid1.service",
        "usr/share/dbus-1/system.d/org.mmid1.conf",
        *(f"usr/share/mmid/prompts/{path.name}" for path in PROMPTS.iterdir()),
    }
    # What the service answers Introspect with: tests/dbus/test_service.py.
    contract = tmp_path / "usr/share/dbus-1/interfaces/org.mmid1.xml"
    assert contract.read_text(encoding="utf-8") == load().text


def test_the_units_are_all_installed() -> None:
    script = (ROOT / "packaging" / "install-files").read_text()
    for path in (ROOT / "systemd").iterdir():
        assert f"put systemd/{path.name} " in script, path.name


def test_every_version_is_the_same() -> None:
    # In a source package debian/ stands at the top.
    places = (ROOT / "packaging" / "debian", ROOT / "debian")
    changelog = next(path for path in places if path.exists()) / "changelog"
    assert (
        f'__version__ = "{changelog.read_text().split("(")[1].split(")")[0]}"'
        in (ROOT / "mmid" / "__init__.py").read_text()
    )


def test_the_package_for_debian_12_brings_what_pyproject_asks_for() -> None:
    pins = (ROOT / "packaging" / "deb12-requirements.txt").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    for name in ("dbus-next", "pyalsaaudio", "websockets", "cryptography", "systemd-python"):
        assert f'"{name} >=' in project
        assert f"\n{name}==" in pins


def test_what_the_package_for_debian_12_takes_from_pypi_is_pinned_by_hash() -> None:
    packaging = ROOT / "packaging"
    for name in ("deb12-requirements.txt", "deb12-build-requirements.txt"):
        lines = [line for line in (packaging / name).read_text().splitlines() if line[0] != "#"]
        for line in lines:
            assert re.fullmatch(r"[a-z0-9-]+==\S+( --hash=sha256:[0-9a-f]{64})+", line), line
        assert f"--requirement packaging/{name}" in (packaging / "debian12" / "rules").read_text()
    assert "--require-hashes" in (packaging / "build-deb12").read_text()
