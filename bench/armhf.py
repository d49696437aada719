"""An armhf board's Python on this machine, whose instructions are counted.

qemu-user runs it, as a Cortex-A7, the processor of the smallest boards, from a Debian 13 that
is only unpacked: ``packaging/in-debian`` fetches it and compiles the sound card in it. What
is made, in two minutes, is kept in ``build/instructions`` until what it is made from changes.
"""

import shutil
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.dialogs import Machine
from bench.process import instructions
from tests.rig.processes import REPOSITORY
from tests.vm.packages import as_root

_FOLDER = REPOSITORY / "build" / "instructions"
_PLUGIN = REPOSITORY / "bench" / "count_instructions.c"
_SOUND_CARD = REPOSITORY / "tests" / "hal_linux" / "paced_pcm.c"

_SUITE = "trixie"
# A compiler, what the command below is, and what mmid runs with.
_PACKAGES = (
    "base-files dash coreutils tar gcc libc6-dev libasound2-dev python3 python3-alsaaudio"
    " python3-cryptography python3-dbus-next python3-pydantic-settings python3-websockets"
    " libspeexdsp1"
)
_INSIDE = """\
cd /shared
gcc -shared -fPIC -DPIC -O2 -o paced_pcm.so paced_pcm.c -lasound -lm
tar --one-file-system --directory / --create --file root.tar lib usr/bin usr/lib
"""

# It goes by the name of this script: what mmid starts with its own interpreter works, too.
_INTERPRETER = """\
#!/bin/sh
exec qemu-arm -cpu cortex-a7 -L {folder}/root -0 "$0" \\
    -plugin {folder}/count_instructions.so,counts={folder}/counts \\
    -U PYTHONDONTWRITEBYTECODE -E PYTHONPYCACHEPREFIX={folder}/pycache \\
    -E PYTHONHOME={folder}/root/usr -E PYTHONPATH={repository} -E PYTHONHASHSEED=0 \\
    {folder}/root/usr/bin/python3 "$@"
"""

# So that it is compiled before anything has to be in time.
_IMPORTS = "bench.bare_dialog, bench.bare_echo, cryptography.x509, dbus_next, pydantic_settings"

_MAKING_S, _STEP_S = 1800.0, 300.0


def machine() -> Machine:
    """Return the board, made if need be.

    Raises:
        OSError, subprocess.SubprocessError: it is not to be had here: no root, no network, no
            qemu-user that takes plug-ins.
    """
    interpreter, counts = _FOLDER / "python", _FOLDER / "counts"
    parts = (_SUITE, _PACKAGES, _INSIDE, _INTERPRETER, _PLUGIN.read_text(), _SOUND_CARD.read_text())
    made_from = "\n".join(parts)
    stamp = _FOLDER / "made_from"
    if not stamp.exists() or stamp.read_text() != made_from:
        shutil.rmtree(_FOLDER, ignore_errors=True)
        _make(interpreter)
        stamp.write_text(made_from)
    for file in counts.iterdir():
        if not Path("/proc", file.name).exists():
            file.unlink()
    facts = {"counts": str(counts)}
    return Machine(str(interpreter), _FOLDER / "paced_pcm.so", partial(instructions, counts), facts)


def _make(interpreter: Path) -> None:
    (_FOLDER / "counts").mkdir(parents=True)
    (_FOLDER / "root").mkdir()
    _run(as_root("packaging/install-here", "qemu-user"))
    if not takes_plugins("qemu-arm"):
        raise OSError("qemu-arm takes no plug-ins here, as that of Debian 12 does")
    compile_plugin(_FOLDER)
    shutil.copy(_SOUND_CARD, _FOLDER)
    debian = ("packaging/in-debian", "--arch", "armhf", "--unpacked", _SUITE, _PACKAGES)
    _run([*debian, str(_FOLDER), "sh", "-euc", _INSIDE], _MAKING_S)
    archive = _FOLDER / "root.tar"
    _run(["tar", "-C", str(_FOLDER / "root"), "-xf", str(archive)])
    archive.unlink()
    interpreter.write_text(_INTERPRETER.format(folder=_FOLDER, repository=REPOSITORY))
    interpreter.chmod(0o755)
    _run([str(interpreter), "-c", f"import {_IMPORTS}"])


def takes_plugins(emulator: str) -> bool:
    """Return whether there is such an emulator that loads plug-ins; a static one does not."""
    if shutil.which(emulator) is None:
        return False
    shown = subprocess.run([emulator, "-help"], capture_output=True, check=False, timeout=_STEP_S)
    return b"-plugin" in shown.stdout


def compile_plugin(folder: Path) -> Path:
    """Compile the plug-in of qemu-user that counts; return the library in the folder."""
    library = folder / "count_instructions.so"
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror")
    _run(["cc", *flags, "-o", str(library), str(_PLUGIN)])
    return library


def _run(command: Sequence[str], timeout_s: float = _STEP_S) -> None:
    subprocess.run(command, cwd=REPOSITORY, check=True, timeout=timeout_s)
