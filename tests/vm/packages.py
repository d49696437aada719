"""What the virtual machine test needs from Debian, on this machine and in the other."""

import os
import subprocess
import sys

from tests.vm.output import say

_HOST = ("mmdebstrap", "e2fsprogs", "fdisk", "debian-archive-keyring")

_MACHINE = ("systemd", "systemd-sysv", "dbus", "udev", "kmod")
_TOOLS = ("alsa-utils", "mtd-utils", "dmsetup", "e2fsprogs")
# What mmid loads when a codec is asked for.
_CODECS = ("libmpg123-0t64", "libopus0")
# What mmid imports, as Debian 13 packages it: nothing inside comes from anywhere else.
_PYTHON = (
    "python3-alsaaudio",
    "python3-cryptography",
    "python3-dbus-next",
    "python3-pydantic-settings",
    "python3-systemd",
    "python3-websockets",
)

# Beside the kernel, whose package has the architecture in its name.
GUEST = (*_MACHINE, *_TOOLS, *_CODECS, *_PYTHON)


def as_root(*command: str) -> list[str]:
    """Return the command line that runs a command as root."""
    return list(command) if os.geteuid() == 0 else ["sudo", *command]


def install_host_packages(*more: str) -> None:
    """Install what is missing here, and say so.

    Args:
        more: packages that are needed beside those for every machine.

    Raises:
        SystemExit: apt-get could not.
    """
    missing = [package for package in (*_HOST, *more) if not _is_installed(package)]
    if not missing:
        return
    say(f"installing Debian packages: {' '.join(missing)}")
    if _apt_get("install", "--no-install-recommends", *missing).returncode == 0:
        return
    say("that failed, perhaps with old package lists: updating them")
    _apt_get("update")
    done = _apt_get("install", "--no-install-recommends", *missing)
    if done.returncode:
        sys.exit(f"{done.stdout}vm-test: apt-get could not install: {' '.join(missing)}")


def _is_installed(package: str) -> bool:
    query = ["dpkg-query", "-W", "-f=${Status}", package]
    done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.endswith(" installed")


def _apt_get(verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    quiet = ("-y", "-q", "-o", "DPkg::Lock::Timeout=120")
    command = as_root("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", verb, *quiet, *arguments)
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
