"""One start of the virtual machine, from power on to power off, or to a pulled plug.

A boot takes most of a minute and each is like the other. So a machine's state can
be saved, and a machine can go on from there in a second: with a disk that is
plugged in only then, and that its kernel has never seen.

QEMU counts the instructions of the machine and lets its clock go by that count:
it is a board of 500 million instructions a second, however busy the host is. So
a sound card that must be fed in time is fed in time, or is not, for reasons
inside the machine only.
"""

import json
import shlex
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.vm.architecture import Architecture
from tests.vm.image import Image
from tests.vm.qmp import Monitor

Report = dict[str, Any]

# What a board is not tried for, and tables that are up to date.
_NOT_STARTED = (
    *("ldconfig.service", "dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount"),
    *("sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount", "modprobe@fuse.service"),
    *("proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service"),
    *("modprobe@configfs.service", "modprobe@drm.service", "modprobe@efi_pstore.service"),
    *("systemd-udev-load-credentials.service", "systemd-modules-load.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("dpkg-db-backup.timer", "systemd-tmpfiles-clean.timer", "alsa-restore.service"),
)


def common_options(architecture: Architecture) -> tuple[str, ...]:
    """Return what a state depends on: it fits only a machine that was started with these."""
    return (
        *(architecture.emulator, "-accel", "tcg,thread=single,tb-size=256"),
        *architecture.hardware,
        *("-smp", "1", "-icount", "shift=1", "-m", "768"),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"),
        *("-device", "virtio-serial-pci"),
        *("-append", _kernel_words(architecture)),
    )


def _kernel_words(architecture: Architecture) -> str:
    """Return the kernel's command line."""
    # Nobody attacks this machine: what guards the processor and the system takes time.
    return (
        f"root=/dev/disk/by-id/virtio-root ro console={architecture.console} quiet "
        "mitigations=off apparmor=0 audit=0 nokaslr fsck.mode=skip systemd.unit=mmid-vm.target "
        f"module_blacklist={','.join(architecture.not_loaded)} "
        + " ".join(f"systemd.mask={unit}" for unit in _NOT_STARTED)
    )


class Machine:
    """One start: a cold one, or a resumed one; use it as a context manager.

    Its root file system is only read, so a state of the machine is its memory,
    and many machines can go on from one state, one after the other or at once.
    With a disk of its own for it, ``save`` keeps a copy of that beside the state.

    Args:
        image: what to boot.
        console: file that the kernel's console is written to.
        limit_s: the plug is pulled after this time.
        state: go on from here, as ``save`` left it; None: boot.
        root: its own disk, qcow2 over the image's root, which it writes to.
        kernel: words for the kernel; the last of a kind is the one that counts.
        options: more of QEMU's.
    """

    def __init__(
        self,
        image: Image,
        console: Path,
        limit_s: float,
        *,
        state: Path | None = None,
        root: Path | None = None,
        kernel: str = "",
        options: Sequence[str] = (),
    ) -> None:
        wires = {name: socket.socketpair() for name in ("monitor", "reports", "source")}
        resume = ["-incoming", f"exec:cat {shlex.quote(str(state))}"] if state else []
        far = {name: pair[1] for name, pair in wires.items()}
        self._root = root
        self._ports = iter(image.architecture.ports)
        starts = (*common_options(image.architecture), *_boot(image, root, kernel))
        self._process = subprocess.Popen(
            [*starts, *_serial(console, far), *options, *resume],
            stdin=subprocess.DEVNULL,
            pass_fds=[end.fileno() for end in far.values()],
        )
        for end in far.values():
            end.close()
        self._limit = threading.Timer(limit_s, self.pull_the_plug)
        self._limit.start()
        self._wires = {name: pair[0] for name, pair in wires.items()}
        self._monitor = Monitor(self._wires["monitor"])
        if state:
            self._monitor.wait("query-migrate", "status", "completed")
            self._monitor.execute("cont")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pull_the_plug()
        self._limit.cancel()
        self._process.wait()
        for wire in self._wires.values():
            wire.close()

    def reports(self) -> Iterator[Report]:
        """Yield what the machine reports, until it is off."""
        with self._wires["reports"].makefile("r", newline="\n") as lines:
            for line in lines:
                if line.endswith("\n") and line.strip():  # a cut leaves half a line
                    yield json.loads(line)

    def order(self, checks: Sequence[str], **words: Any) -> None:
        """Tell the program inside what to run; it waits for that."""
        line = json.dumps({"checks": list(checks), "now": time.time(), **words}) + "\n"
        self._wires["reports"].sendall(line.encode())

    def send_source(self, packed: Path) -> None:
        """Hand the checkout over, a tar file; the machine waits for that first of all."""
        self._wires["source"].sendall(packed.read_bytes())

    def plug(self, name: str, disk: Path) -> None:
        """Plug in a disk: ``/dev/disk/by-id/virtio-NAME`` inside, and its partitions."""
        # What QEMU has written outlives it in any case: there is no need to wait for the disk.
        file = {"driver": "file", "filename": str(disk), "cache": {"no-flush": True}}
        node = {"driver": "raw", "node-name": name, "cache": {"no-flush": True}, "file": file}
        self._monitor.execute("blockdev-add", **node)
        device = {"driver": "virtio-blk-pci", "id": f"disk-{name}", "drive": name, "serial": name}
        if (port := next(self._ports, None)) is not None:
            device["bus"] = port
        self._monitor.execute("device_add", **device)

    def save(self, state: Path) -> Path:
        """Write its state to a file, and let it go on; return the file.

        A copy of its own disk is then the same with the suffix ``.root``.
        """
        unfinished = state.with_suffix(".new")
        self._monitor.execute("stop")
        self._monitor.execute("migrate", uri=f"exec:cat >{shlex.quote(str(unfinished))}")
        self._monitor.wait("query-migrate", "status", "completed")
        if self._root:
            shutil.copyfile(self._root, state.with_suffix(".root"))
        unfinished.rename(state)
        self._monitor.execute("cont")
        return state

    def pull_the_plug(self) -> None:
        """Kill the machine; what it had not put on a disk is lost."""
        self._process.kill()


def _boot(image: Image, root: Path | None, words: str) -> list[str]:
    """Return QEMU's options for what is booted."""
    read_only = f"file={image.root},format=raw,readonly=on"
    disk = f"file={root},format=qcow2,cache=unsafe" if root else read_only
    drive = (
        "-drive",
        f"if=none,id=root,{disk}",
        "-device",
        "virtio-blk-pci,drive=root,serial=root",
    )
    kernel = ("-kernel", str(image.kernel), "-initrd", str(image.initrd))
    more = ("-append", f"{_kernel_words(image.architecture)} {words}") if words else ()
    return [*kernel, *drive, *more]


def _serial(console: Path, wires: Mapping[str, socket.socket]) -> list[str]:
    """Return QEMU's options for all that goes in and out by lines."""
    options = ["-serial", f"file:{console}", "-mon", "chardev=monitor,mode=control"]
    for name, wire in wires.items():
        options += ["-chardev", f"socket,id={name},fd={wire.fileno()}"]
    for name in ("reports", "source"):
        options += ["-device", f"virtserialport,chardev={name},name={name}"]
    return options
