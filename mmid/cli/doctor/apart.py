"""Makes a check, in a fork of this process if it imports much: that is gone with its answer.

The doctor may stand beside a running daemon on a board of 64 MiB, where a second Python finds
room and a third, as large as that, does not. So the doctor itself imports little, not even
asyncio, and there is one check at a time.
"""

import inspect
import json
import signal
import sys
import traceback
from collections.abc import Callable
from importlib import import_module

from mmid.child import Child, Ended, from_plain, to_plain
from mmid.cli.doctor.finding import Finding, failed

# Each check bounds its own waits; this is for one that hangs all the same.
LONGEST_S = 120.0


def tried(name: str, module: str, *arguments: object) -> list[Finding]:
    """Make a check here, and return what it finds; one that stumbles is a finding, too.

    Args:
        name: the check.
        module: of the doctor, with the function ``check_NAME``.
        arguments: those of the function.
    """
    try:
        return made(name, module, *arguments)
    except Exception as error:  # noqa: BLE001 - whoever needs a doctor needs the other checks
        # Not its text: a library's may quote what it was given, secrets among it.
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__} at {place.filename}:{place.lineno}"
        return [failed(name, f"the check itself failed: {text}", "Please report it.")]


def apart(name: str, module: str, *arguments: object) -> list[Finding]:
    """Do as ``tried`` in a fork of this process, which must have no other thread."""

    def answer() -> int:
        sys.stdout.write(json.dumps([to_plain(one) for one in tried(name, module, *arguments)]))
        return 0

    ended = run_to_end(lambda: Child.fork(answer))
    if ended.status != 0:
        return [broken(name, ended)]
    return [from_plain(Finding, one) for one in json.loads(ended.output)]


def made(name: str, module: str, *arguments: object) -> list[Finding]:
    """Make a check, which may raise anything."""
    check = getattr(import_module(f"mmid.cli.doctor.{module}"), f"check_{name}")
    found = check(*arguments)
    if inspect.iscoroutine(found):
        import asyncio  # noqa: PLC0415 - 3 MiB, which the doctor itself does without

        found = asyncio.run(found)
    return found if isinstance(found, list) else [found]


def run_to_end(start: Callable[[], Child], longest_s: float = LONGEST_S) -> Ended:
    """Start a process and wait for its end; that none can be started is an end, too."""
    try:
        return start().finish(longest_s)
    except OSError as error:
        return Ended(1, b"", f"no process can be started: {error.strerror}".encode())


def broken(name: str, ended: Ended) -> Finding:
    """Return the finding of a check whose process came to nothing."""
    remedy = "Please report it."
    if ended.status == -signal.SIGKILL:
        remedy = "Try again without the daemon: systemctl stop mmid."
    return failed(name, f"the check itself failed: {why(ended)}", remedy)


def why(ended: Ended) -> str:
    """Say how a process came to nothing."""
    if ended.status is None:
        return "it took too long"
    if ended.status == -signal.SIGKILL:
        return "it was killed, as the kernel does when the board has no memory left"
    return ended.last_words or f"exit status {ended.status}"
