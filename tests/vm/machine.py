"""One start of the virtual machine, from power on to power off, or to a pulled plug.

QEMU counts the instructions of the machine and lets its clock go by that count:
it is a board of 500 million instructions a second, however busy the host is. So
a sound card that must be fed in time is fed in time, or is not, for reasons
inside the machine only.
"""

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.vm.image import Image

__all__ = ["Disk", "Machine", "Report"]

Report = dict[str, Any]

_QEMU = (
    *(
        "qemu-system-x86_64",
        "-accel",
        "tcg,thread=single,tb-size=256",
        "-cpu",
        "Nehalem",
        "-smp",
        "1",
    ),
    *("-icount", "shift=1", "-m", "768", "-nodefaults", "-no-user-config", "-no-reboot"),
    *("-display", "none", "-monitor", "none", "-nic", "none"),
    *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=reports,name=reports"),
    *("-chardev", "file,id=reports,path=/dev/stdout"),
)

# Parts of a PC that udev would load drivers for, and tables that are up to date.
_NOT_LOADED = "ata_piix,ata_generic,pcspkr,psmouse,i2c_piix4,kvm,kvm_amd,joydev,floppy,parport_pc"
_NOT_STARTED = (
    *("ldconfig.service", "dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount"),
    *("sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount", "modprobe@fuse.service"),
    *("proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service"),
    *("modprobe@configfs.service", "modprobe@drm.service", "modprobe@efi_pstore.service"),
    *("systemd-udev-load-credentials.service", "systemd-modules-load.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("dpkg-db-backup.timer", "systemd-tmpfiles-clean.timer", "alsa-restore.service"),
)

# Nobody attacks this machine: what guards the processor and the system takes time.
_KERNEL = (
    "root=/dev/disk/by-id/virtio-root rw console=ttyS0 quiet mitigations=off apparmor=0 "
    "audit=0 nokaslr fsck.mode=skip systemd.unit=mmid-vm.target "
    f"module_blacklist={_NOT_LOADED} " + " ".join(f"systemd.mask={unit}" for unit in _NOT_STARTED)
)


@dataclass(frozen=True)
class Disk:
    """A virtio disk, ``/dev/disk/by-id/virtio-NAME`` inside.

    Attributes:
        name: its serial number.
        path: the file with its bytes.
        kept: whether what the machine writes outlives it.
    """

    name: str
    path: Path
    kept: bool = False

    @property
    def options(self) -> list[str]:
        """QEMU's options for it."""
        mode = "cache=writeback" if self.kept else "snapshot=on,cache=unsafe"
        drive = f"if=none,id={self.name},file={self.path},format=raw,{mode}"
        return ["-drive", drive, "-device", f"virtio-blk-pci,drive={self.name},serial={self.name}"]


class Machine:
    """One start.

    Args:
        image: what to boot.
        disks: the other disks.
        arguments: words for ``/proc/cmdline``: how the host speaks to the machine.
        console: file that the kernel's console is written to.
        limit_s: the plug is pulled after this time.

    Attributes:
        status: QEMU's exit status once it is off; -9 after the plug was pulled.
    """

    status: int | None = None

    def __init__(
        self,
        image: Image,
        disks: Sequence[Disk],
        arguments: Sequence[str],
        console: Path,
        limit_s: float,
    ) -> None:
        boot = ["-kernel", str(image.kernel), "-initrd", str(image.initrd)]
        boot += ["-append", " ".join((_KERNEL, *arguments)), "-serial", f"file:{console}"]
        all_disks = (Disk("root", image.root), *disks)
        drives = [option for disk in all_disks for option in disk.options]
        self._process = subprocess.Popen(
            [*_QEMU, *boot, *drives], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self._limit = threading.Timer(limit_s, self.pull_the_plug)
        self._limit.start()

    def reports(self) -> Iterator[Report]:
        """Yield what the machine reports, until it is off."""
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                if line.endswith("\n") and line.strip():  # a cut leaves half a line
                    yield json.loads(line)
        self._limit.cancel()
        self.status = self._process.wait()

    def pull_the_plug(self) -> None:
        """Kill the machine; what it had not put on a disk is lost."""
        self._process.kill()
