"""Debian 13's own Python and libraries, and mmid on them."""

import importlib
import pkgutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import mmid
from tests.rig.processes import REPOSITORY, python

_LIBRARIES = {
    "alsaaudio": "pyalsaaudio",
    "cryptography": "cryptography",
    "dbus_next": "dbus-next",
    "pydantic_settings": "pydantic-settings",
    "systemd": "systemd-python",
    "websockets": "websockets",
}

_SETTINGS = """\
[license]
app_id = "mm_0123456789abcdef"
app_secret = "0123456789abcdef0123456789abcdef"
device_name = "board-0001"
[storage]
target = "file:{place}/device.bin"
"""


def libraries_are_debians_own(place: Path) -> str:
    """Every library that mmid imports comes from a Debian package, for Debian's Python."""
    assert sys.version_info[:2] == (3, 13), sys.version
    for name in _LIBRARIES:
        where = importlib.import_module(name).__file__ or ""
        assert where.startswith("/usr/lib/python3/dist-packages/"), where
    kernel = Path("/proc/sys/kernel/osrelease").read_text().strip()
    versions = ", ".join(f"{package} {version(package)}" for package in _LIBRARIES.values())
    return f"Linux {kernel}, Python {sys.version.split()[0]}, {versions}"


def every_module_imports(place: Path) -> str:
    """Every module of mmid can be imported, without a warning of the compiler."""
    names = [one.name for one in pkgutil.walk_packages(mmid.__path__, "mmid.")]
    lines = "\n".join(f"import {name}" for name in names)
    command = [sys.executable, "-W", "error::SyntaxWarning", "-c", lines]
    subprocess.run(command, check=True, cwd=REPOSITORY)
    return f"{len(names)} modules"


def mmid_check_tells_what_it_would_use(place: Path) -> str:
    """``mmid check`` reads settings, store and clock."""
    config = place / "mmid.toml"
    config.write_text(_SETTINGS.format(place=place))
    config.chmod(0o600)
    command = python("mmid.cli.mmid", "check", "--config", config)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done
    assert "the device would register" in done.stdout, done
    assert "0123456789abcdef0123456789abcdef" not in done.stdout + done.stderr
    return f"{len(done.stdout.splitlines())} lines"
