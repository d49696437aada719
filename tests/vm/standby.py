"""A machine that has booted and waits for a checkout: its state is kept in a cache.

A boot does the same each time and takes most of a run. The state is made once
for an image, the options that the machine is started with, and a QEMU.
"""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

from tests.vm.architecture import Architecture
from tests.vm.image import Image
from tests.vm.machine import Machine, common_options
from tests.vm.output import say

_LIMIT_S = 600.0


def standby(image: Image, build: Path) -> Path:
    """Return the state, made now if there is none.

    Raises:
        SystemExit: the machine did not come up.
    """
    state = image.directory / f"standby-{fingerprint(image.architecture)}.state"
    if state.exists():
        return state
    for old in image.directory.glob("standby-*"):
        old.unlink()
    say("booting once, to go on from there ever after")
    began = time.monotonic()
    with Machine(image, build / "console-boot.log", _LIMIT_S) as booting:
        save_at_standby(booting, state)
    if not state.exists():
        sys.exit(f"vm-test: the machine did not come up; see {build / 'console-boot.log'}")
    say(f"that took {time.monotonic() - began:.0f} s")
    return state


def save_at_standby(booting: Machine, state: Path) -> None:
    """Save a machine's state when it says that it waits; nothing is saved if it never does."""
    for report in booting.reports():
        if report["kind"] == "standby":
            booting.save(state)
            return


def fingerprint(architecture: Architecture, *more: str) -> str:
    """Return what a saved state depends on, in short."""
    version = subprocess.run(
        [architecture.emulator, "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    made_from = " ".join((*common_options(architecture), *more)) + version.stdout
    return hashlib.sha256(made_from.encode()).hexdigest()[:16]
