"""The program of docs/examples, compiled for the machine: there is no compiler inside."""

import shlex
import shutil
import subprocess
from pathlib import Path

from tests.rig.processes import REPOSITORY
from tests.vm.architecture import Architecture

_SOURCE = REPOSITORY / "docs/examples/push_to_talk.c"
_COMPILE = "{cc} -O2 -Wall -o {program} {source} $(pkg-config --cflags --libs libsystemd)"

# What the compiler needs where there is none for that architecture; cc is gcc when it is set up.
_SUITE, _PACKAGES = "trixie", "base-files dash gcc libc6-dev libsystemd-dev pkg-config"


def compile_push_to_talk(architecture: Architecture, build: Path) -> Path:
    """Compile the push-to-talk key as it says itself; return the program."""
    program = build / "push_to_talk"
    if architecture.name == _here():
        here = {"program": shlex.quote(str(program)), "source": shlex.quote(str(_SOURCE))}
        line = _COMPILE.format(cc="cc", **here)
        subprocess.run(["sh", "-ec", line], check=True)
        return program
    shared = build / "compiling"
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir()
    shutil.copy(_SOURCE, shared)
    line = _COMPILE.format(cc="gcc", program=program.name, source=_SOURCE.name)
    debian = ("packaging/in-debian", "--arch", architecture.name, "--unpacked", _SUITE)
    command = (*debian, _PACKAGES, str(shared), "sh", "-ec", f"cd /shared; {line}")
    subprocess.run(command, cwd=REPOSITORY, check=True)
    shutil.copy(shared / program.name, program)
    return program


def _here() -> str:
    """Return the architecture of this machine, as Debian calls it."""
    asked = ["dpkg", "--print-architecture"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
