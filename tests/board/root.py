"""What the board boots: Debian 13 for armhf with mmid installed, its kernel and an initrd.

What is installed is what a product would install: the packages that ``make deb`` built and
what they depend on, no recommended ones, and libspeexdsp1 for the echo canceller. It is made
under qemu-user, and kept until a package, or this file, changes.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.rig.processes import REPOSITORY
from tests.vm.output import say
from tests.vm.packages import as_root

_DEBS = REPOSITORY / "build" / "deb"

# The release alone: who set a board up last month has no later updates either.
_SUITE = "trixie"

_PACKAGES = (
    "base-files systemd-sysv udev kmod dbus iproute2 netbase adduser ca-certificates alsa-utils "
    "libspeexdsp1 python3-alsaaudio python3-cryptography python3-dbus-next "
    "python3-pydantic-settings python3-systemd python3-websockets"
)
# Not set up: under qemu-user an initrd of Debian's own alone takes minutes.
_KERNEL_PACKAGES = "base-files dash coreutils linux-image-armmp busybox-static"

# All that this kernel needs beside what is built into it. The initrd loads them, so there are
# no modules on the root file system, and nothing that looks for devices has to run.
_DRIVERS = (
    "kernel/crypto/crc32c_generic",  # ext4 asks for it by what it does, not by its name
    "kernel/fs/ext4/ext4",
    "kernel/drivers/virtio/virtio_mmio",
    "kernel/drivers/block/virtio_blk",
    "kernel/drivers/net/virtio_net",
    "kernel/sound/drivers/snd-aloop",
)

_INIT = """\
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs devtmpfs /dev
for driver in $($b cat /drivers); do $b insmod /modules/$driver; done
until root=$($b findfs LABEL=board 2>/dev/null); do $b usleep 50000; done
$b mount -t ext4 "$root" /root
$b mount --move /dev /root/dev
exec $b switch_root /root /sbin/init
"""

# What a run is to do comes on a second disk, which is a tar file; which of the two is it
# depends on the kernel.
_UNIT = """\
[Unit]
Description=The board test
Before=mmid.service
After=dbus.socket

[Service]
Type=exec
WorkingDirectory=/var/board
ExecStartPre=/bin/sh -c 'tar -xf /dev/vda || tar -xf /dev/vdb'
ExecStartPre=/bin/sh inside.sh prepare
ExecStart=/bin/sh inside.sh
TimeoutStartSec=infinity
# What is killed in one phase, for want of memory, does not end the others.
OOMPolicy=continue

[Install]
WantedBy=multi-user.target
"""

# An emulated board on a busy machine starts slower than any real one.
_DROP_IN = "[Service]\nTimeoutStartSec=10min\nWatchdogSec=5min\n"

# The journal lives in RAM, and is read on the console.
_JOURNALD = (
    "[Journal]\nStorage=volatile\nRuntimeMaxUse=1M\nForwardToConsole=yes\nTTYPath=/dev/ttyAMA0\n"
)

# What no board of this size runs: devices are known, nobody logs in, Debian's housekeeping.
_MASKED = (
    "systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket "
    "systemd-udev-trigger.service systemd-udev-load-credentials.service systemd-logind.service "
    "getty.target timers.target alsa-restore.service alsa-state.service ldconfig.service "
    "e2scrub_reap.service systemd-timesyncd.service systemd-binfmt.service "
    "proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount "
    "sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount "
    "modprobe@.service systemd-modules-load.service"
)

# In the tree, under qemu-user. A service cannot be started there.
_INSTALL = f"""\
cd /
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
dpkg --install /shared/mmid_*.deb
rm /usr/sbin/policy-rc.d
cp /shared/board-test.service /etc/systemd/system/
mkdir -p /etc/systemd/system/mmid.service.d /etc/systemd/journald.conf.d /var/board
cp /shared/emulated.conf /etc/systemd/system/mmid.service.d/
cp /shared/journald.conf /etc/systemd/journald.conf.d/board.conf
echo 10.0.2.2 simcloud >>/etc/hosts
systemctl enable mmid.service board-test.service
systemctl mask {_MASKED}
tar --one-file-system --exclude=./shared --exclude=./usr/share/doc --exclude=./usr/share/man \\
    --exclude=./usr/share/locale --exclude=./var/cache/apt --exclude=./var/lib/apt/lists \\
    -cf /shared/root.tar .
"""

_TAKE_KERNEL = """\
cd /
cp boot/vmlinuz-* /shared/vmlinuz
cp usr/bin/busybox /shared/
cp -r usr/lib/modules/* /shared/modules
"""


def ready_root(cache: Path) -> Path:
    """Return the directory with root.img, vmlinuz and initrd, made now if need be.

    Raises:
        SystemExit: there is no package to install.
    """
    debs = sorted(_DEBS.glob("mmid_*.deb"))
    if not debs:
        sys.exit(f"board-test: there is no package in {_DEBS}; make deb builds them")
    made_from = hashlib.sha256(Path(__file__).read_bytes())
    for deb in debs:
        made_from.update(deb.read_bytes())
    root = cache / f"root-{made_from.hexdigest()[:16]}"
    if root.exists():
        return root
    for old in cache.glob("root-*"):
        shutil.rmtree(old)
    say("making an armhf board with the packages (two minutes; fifteen the first time of a week)")
    making = cache / "making"
    subprocess.run(as_root("rm", "-rf", "--one-file-system", str(making)), check=True)
    making.mkdir(parents=True)
    _make_root(making, debs)
    _make_initrd(making)
    making.rename(root)
    return root


def _make_root(making: Path, debs: list[Path]) -> None:
    """Make root.img."""
    shared = making / "shared"
    shared.mkdir()
    for deb in debs:
        shutil.copy(deb, shared)
    (shared / "board-test.service").write_text(_UNIT)
    (shared / "emulated.conf").write_text(_DROP_IN)
    (shared / "journald.conf").write_text(_JOURNALD)
    _in_debian(_PACKAGES, shared, _INSTALL)
    _as_root_in(
        making,
        "mkdir tree; tar -xf shared/root.tar -C tree; "
        "mkfs.ext4 -q -F -L board -d tree root.img 700M; chmod 644 root.img; rm -rf tree shared",
    )


def _make_initrd(making: Path) -> None:
    """Take the kernel out of its package, and make the least that finds the root: 2 MB."""
    shared, tree = making / "shared", making / "initrd.tree"
    shared.mkdir()
    _in_debian(_KERNEL_PACKAGES, shared, _TAKE_KERNEL, "--unpacked")
    for name in ("bin", "modules", "dev", "root"):
        (tree / name).mkdir(parents=True)
    shutil.copy(shared / "vmlinuz", making)
    shutil.copy(shared / "busybox", tree / "bin")
    drivers = _in_order(shared / "modules")
    for driver in drivers:
        with (tree / "modules" / driver.stem).open("wb") as output:
            subprocess.run(["xz", "-dc", driver], stdout=output, check=True)
    (tree / "drivers").write_text("".join(f"{driver.stem}\n" for driver in drivers))
    (tree / "init").write_text(_INIT)
    (tree / "init").chmod(0o755)
    _as_root_in(
        making,
        "(cd initrd.tree && find . | cpio --quiet -o -H newc | gzip) >initrd; "
        "rm -rf shared initrd.tree",
    )


def _in_order(modules: Path) -> list[Path]:
    """Return the files of the drivers, each after those that it needs."""
    files = {path.name.removesuffix(".ko.xz"): path for path in modules.rglob("*.ko.xz")}
    order: list[Path] = []

    def take(path: Path) -> None:
        for needed in _needs(path):
            if needed in files:
                take(files[needed])
        if path not in order:
            order.append(path)

    for driver in _DRIVERS:
        take(modules / f"{driver}.ko.xz")
    return order


def _needs(module: Path) -> list[str]:
    """Return the names of the modules that a module needs, as it says itself."""
    unpacked = subprocess.run(["xz", "-dc", module], capture_output=True, check=True).stdout
    found = unpacked.partition(b"\0depends=")[2].partition(b"\0")[0].decode()
    return [name for name in found.split(",") if name]


def _in_debian(packages: str, shared: Path, script: str, *options: str) -> None:
    """Run a script in an armhf Debian, with a directory that it sees as /shared."""
    program = str(REPOSITORY / "packaging/in-debian")
    debian = (program, "--arch", "armhf", *options, _SUITE, packages, str(shared))
    subprocess.run([*debian, "sh", "-euc", script], check=True)


def _as_root_in(directory: Path, script: str) -> None:
    subprocess.run(as_root("sh", "-euc", script), cwd=directory, check=True)
