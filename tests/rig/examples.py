"""The programs of docs/examples, as their readers build them."""

import subprocess
from pathlib import Path

from tests.rig.processes import REPOSITORY

EXAMPLES = REPOSITORY / "docs" / "examples"

_OPTIONS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pedantic")


def compile_example(name: str, folder: Path) -> Path:
    """Compile an example in C; return the program in the folder."""
    asked = ["pkg-config", "--cflags", "--libs", "libsystemd"]
    libraries = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    program = folder / name
    source = EXAMPLES / f"{name}.c"
    subprocess.run(["cc", *_OPTIONS, "-o", program, source, *libraries], check=True, timeout=60)
    return program
