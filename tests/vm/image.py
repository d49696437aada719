"""The machine's root file system: Debian 13 from the archive, kept in a cache.

The cache is named by what it was made from and by the week, so a change of the
package list makes a new one, and security updates come in. mmid itself is not
in it: the checkout goes in by a disk of its own.
"""

import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rig.processes import REPOSITORY
from tests.vm.architecture import Architecture
from tests.vm.output import say
from tests.vm.packages import as_root

_SUITE = "trixie"
_SIZE = "1200M"

# Only the drivers that find the root: the kernel's own choice takes twice as long to unpack.
_INITRD_MODULES = ("virtio_pci", "virtio_blk", "ext4")

_STANDBY = json.dumps({"kind": "standby"})

# Up to the two ports it needs nothing that changes from run to run.
_UNIT = """\
[Unit]
Description=Checks of mmid inside the virtual machine
Requires=basic.target
After=basic.target
FailureAction=poweroff-force
SuccessAction=poweroff

[Service]
Type=oneshot
RuntimeDirectory=mmid-vm
WorkingDirectory=/run/mmid-vm
Environment=PYTHONPATH=/run/mmid-vm
ExecStartPre=/bin/sh -c 'cat /etc/mmid-vm.standby >/dev/virtio-ports/reports'
ExecStartPre=/usr/bin/tar --read-full-records -xf /dev/virtio-ports/source
ExecStart=/usr/bin/python3 -m tests.vm.inside
TimeoutStartSec=infinity
StandardError=journal+console
"""

_TARGET = """\
[Unit]
Requires=basic.target mmid-vm.service
AllowIsolate=yes
"""


@dataclass(frozen=True)
class Image:
    """What a machine boots from; never written to."""

    directory: Path
    architecture: Architecture

    @property
    def root(self) -> Path:
        """The root file system, ext4."""
        return self.directory / "root.img"

    @property
    def kernel(self) -> Path:
        """The kernel of the root file system."""
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """Its initial RAM file system."""
        return self.directory / "initrd"


def ready_image(
    cache: Path, architecture: Architecture, packages: Sequence[str], hooks: Sequence[str] = ()
) -> Image:
    """Return the image for today, made now if the cache does not have it.

    Args:
        cache: the directory that it is kept in, alone of its kind.
        architecture: of the machine that it is for.
        packages: what is installed in it beside a kernel, with what that depends on.
        hooks: shell lines that do more to the tree in $1, at the end.

    Raises:
        SystemExit: it could not be made.
    """
    packages = (*packages, architecture.kernel_package)
    image = Image(cache / f"image-{_fingerprint(packages, hooks)}", architecture)
    if image.directory.exists():
        return image
    for old in cache.glob("image-*"):
        shutil.rmtree(old)
    say(f"making a Debian image ({_SUITE}, {architecture.name}; a minute, ten if emulated)")
    making = cache / "making"
    subprocess.run(as_root("rm", "-rf", "--one-file-system", str(making)), check=True)
    making.mkdir(parents=True)
    _make(making, _debootstrap(making / "root", architecture, packages, hooks), cache / "image.log")
    making.rename(image.directory)
    return image


def _fingerprint(packages: Sequence[str], hooks: Sequence[str]) -> str:
    year, week, _ = dt.datetime.now(dt.UTC).isocalendar()
    made_from = (Path(__file__).read_text(), " ".join(packages), *hooks, f"{year}-{week}")
    return hashlib.sha256("\n".join(made_from).encode()).hexdigest()[:16]


def _make(directory: Path, debootstrap: list[str], log: Path) -> None:
    """Make root.img, vmlinuz and initrd."""
    with log.open("w") as output:
        for command in (debootstrap, *_finish(directory, directory / "root")):
            done = subprocess.run(command, stdout=output, stderr=output, check=False, timeout=3600)
            if done.returncode:
                tail = "".join(log.read_text().splitlines(keepends=True)[-20:])
                sys.exit(f"{tail}vm-test: {command[0]} failed; the whole log is {log}")


def _debootstrap(
    root: Path, architecture: Architecture, packages: Sequence[str], more: Sequence[str]
) -> list[str]:
    modules = "\\n".join(_INITRD_MODULES)
    hooks = [
        'mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"',
        'echo MODULES=list >"$1/etc/initramfs-tools/conf.d/vm-test"',
        f'printf "{modules}\\n" >"$1/usr/share/initramfs-tools/modules.d/vm-test"',
    ]
    excluded = ("doc", "man", "locale", "info")
    return as_root(
        *(str(REPOSITORY / "packaging/with-foreign"), architecture.name),
        # What it mounts in the tree, /proc and /dev of the host, goes when it is killed.
        *("unshare", "--mount", "--kill-child", "--"),
        *("mmdebstrap", "--variant=minbase", "--components=main", f"--arch={architecture.name}"),
        '--aptopt=APT::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in excluded),
        *(f"--essential-hook={hook}" for hook in hooks),
        *(f"--customize-hook={hook}" for hook in (*_customize(), *more)),
        *(f"--include={','.join(packages)}", _SUITE, str(root)),
    )


def _customize() -> list[str]:
    """Return shell lines that finish the tree in $1."""
    units = '"$1/etc/systemd/system/mmid-vm.'
    return [
        # Its root file system is only read: what a first boot would settle is settled here.
        'systemd-machine-id-setup --root="$1"',
        f"echo '{_STANDBY}' >\"$1/etc/mmid-vm.standby\"",
        f"cat >{units}service\" <<'END'\n{_UNIT}END",
        f"cat >{units}target\" <<'END'\n{_TARGET}END",
        # Unpacking the drivers under test at every boot would take longer than the checks.
        (
            'find "$1/lib/modules" -name "*.ko.xz" '
            r'\( -path "*/sound/*" -o -path "*/mtd/*" -o -path "*/md/*" -o -path "*/virtio/*" \) '
            "-exec xz -d {} +"
        ),
        'chroot "$1" depmod "$(ls "$1/lib/modules")"',
    ]


def _finish(directory: Path, root: Path) -> list[list[str]]:
    """Return the commands that make the files of a tree."""
    copy = f'cp "{root}"/boot/vmlinuz-* vmlinuz; cp "{root}"/boot/initrd.img-* initrd'
    owner = f"{os.getuid()}:{os.getgid()}"
    inside = f'cd "{directory}" && {copy}; rm -rf "{root}"; chown {owner} *'
    options = ("-q", "-F", "-O", "^has_journal", "-d", str(root))
    return [
        as_root("mkfs.ext4", *options, str(directory / "root.img"), _SIZE),
        as_root("sh", "-ec", inside),
    ]
