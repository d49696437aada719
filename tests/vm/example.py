"""Programs in C, compiled for the machine: there is no compiler inside."""

import shlex
import shutil
import subprocess
from pathlib import Path

from tests.rig.examples import EXAMPLES
from tests.rig.processes import REPOSITORY
from tests.vm.architecture import Architecture

_COMPILE = "{cc} -O2 -Wall -o {program} {source} $(pkg-config --cflags --libs libsystemd)"

# What the compiler needs where there is none for that architecture; cc is gcc when it is set up.
_SUITE, _PACKAGES = "trixie", "base-files dash gcc libc6-dev libsystemd-dev pkg-config"


def compile_push_to_talk(architecture: Architecture, build: Path) -> Path:
    """Compile the push-to-talk key as it says itself; return the program."""
    return compile_for(architecture, build, EXAMPLES / "push_to_talk.c")[0]


def compile_for(architecture: Architecture, build: Path, *sources: Path) -> list[Path]:
    """Compile programs that use sd-bus; return them, each named as its source."""
    programs = [build / source.stem for source in sources]
    if architecture.name == _here():
        for source, program in zip(sources, programs, strict=True):
            here = {"program": shlex.quote(str(program)), "source": shlex.quote(str(source))}
            line = _COMPILE.format(cc="cc", **here)
            subprocess.run(["sh", "-ec", line], check=True)
        return programs
    shared = build / "compiling"
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir()
    lines = ["cd /shared"]
    for source in sources:
        shutil.copy(source, shared)
        lines.append(_COMPILE.format(cc="gcc", program=source.stem, source=source.name))
    debian = ("packaging/in-debian", "--arch", architecture.name, "--unpacked", _SUITE)
    command = (*debian, _PACKAGES, str(shared), "sh", "-ec", "; ".join(lines))
    subprocess.run(command, cwd=REPOSITORY, check=True)
    for program in programs:
        shutil.copy(shared / program.name, program)
    return programs


def _here() -> str:
    """Return the architecture of this machine, as Debian calls it."""
    asked = ["dpkg", "--print-architecture"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
