"""Compiles the sound cards of the tests, which are plug-ins for alsa-lib in C."""

import subprocess
from pathlib import Path

from tests.rig.processes import REPOSITORY

_SOURCES = REPOSITORY / "tests" / "hal_linux"
_FLAGS = ("-shared", "-fPIC", "-DPIC", "-Wall", "-Wextra", "-Werror", "-O1")


def compile_plugin(source: str, folder: Path) -> Path:
    """Compile one of the files beside the tests of hal_linux; return the library in the folder."""
    plugin = folder / f"{Path(source).stem}.so"
    subprocess.run(
        ["cc", *_FLAGS, "-o", plugin, _SOURCES / source, "-lasound", "-lm"], check=True, timeout=60
    )
    return plugin
