"""The boards that the virtual machine can be: what each is to QEMU, and to Debian.

All count instructions for a clock: 500 million of them are a second, so none is
quicker than another, and times can be compared.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """One processor with the board around it.

    Attributes:
        name: as Debian calls it.
        emulator: QEMU's program for it.
        emulator_package: the Debian package with that program.
        hardware: QEMU's options for processor and board.
        ports: where disks can be plugged into the running board, in order; empty: anywhere.
        console: the kernel's name of the first serial line.
        kernel_package: the Debian package with the kernel.
        not_loaded: parts of the board that udev would load drivers for, in vain.
        flash: Debian's kernel can make flash of memory or a disk: nandsim, block2mtd.
        build_suffix: what tells its directories of build files from others.
    """

    name: str
    emulator: str
    emulator_package: str
    hardware: tuple[str, ...]
    ports: tuple[str, ...]
    console: str
    kernel_package: str
    not_loaded: tuple[str, ...]
    flash: bool
    build_suffix: str


AMD64 = Architecture(
    name="amd64",
    emulator="qemu-system-x86_64",
    emulator_package="qemu-system-x86",
    hardware=("-cpu", "Nehalem"),
    ports=(),
    console="ttyS0",
    kernel_package="linux-image-amd64",
    not_loaded=(
        *("ata_piix", "ata_generic", "pcspkr", "psmouse", "i2c_piix4", "kvm", "kvm_amd"),
        *("joydev", "floppy", "parport_pc"),
    ),
    flash=True,
    build_suffix="",
)

# On PCI Express only an empty root port takes what comes later.
_PORTS = ("port1", "port2")

# The small cores of an RK3588 are the Cortex-A55, next of kin to this one.
_ARM64 = Architecture(
    name="arm64",
    emulator="qemu-system-aarch64",
    emulator_package="qemu-system-arm",
    hardware=(
        *("-machine", "virt", "-cpu", "cortex-a53"),
        *(
            word
            for number, port in enumerate(_PORTS, 1)
            for word in ("-device", f"pcie-root-port,id={port},chassis={number}")
        ),
    ),
    ports=_PORTS,
    console="ttyAMA0",
    kernel_package="linux-image-arm64",
    not_loaded=(),
    flash=False,
    build_suffix="-arm64",
)

# The board test's: an RV1103 is one Cortex-A7.
ARMHF = Architecture(
    name="armhf",
    emulator="qemu-system-arm",
    emulator_package="qemu-system-arm",
    hardware=("-machine", "virt", "-cpu", "cortex-a7"),
    ports=(),
    console="ttyAMA0",
    kernel_package="linux-image-armmp",
    not_loaded=(),
    flash=False,
    build_suffix="-armhf",
)

# What the virtual machine and the image test can be run on.
ARCHITECTURES = {one.name: one for one in (AMD64, _ARM64)}
