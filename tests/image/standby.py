"""The board as it is before the packages come: booted, its state and disk in a cache."""

import subprocess
import sys
from pathlib import Path

from tests.image.board import KERNEL
from tests.vm.image import Image
from tests.vm.machine import Machine
from tests.vm.output import say
from tests.vm.standby import fingerprint, save_at_standby

_LIMIT_S = 600.0


def standby(image: Image, build: Path) -> Path:
    """Return the state, made now if there is none; its disk is beside it, ``.root``.

    Raises:
        SystemExit: the machine did not come up.
    """
    state = image.directory / f"board-{fingerprint(image.architecture, KERNEL)}.state"
    if state.exists():
        return state
    for old in image.directory.glob("board-*"):
        old.unlink()
    say("booting a board without mmid once, to go on from there ever after")
    # The image is made without, for machines that only read it.
    subprocess.run(["/usr/sbin/tune2fs", "-O", "has_journal", str(image.root)], check=True)
    root = build / "standby.qcow2"
    over = ("-b", str(image.root), "-F", "raw")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *over, str(root)], check=True)
    console = build / "console-standby.log"
    with Machine(image, console, _LIMIT_S, root=root, kernel=KERNEL) as booting:
        save_at_standby(booting, state)
    root.unlink()
    if not state.exists():
        sys.exit(f"image-test: the machine did not come up; see {console}")
    return state
