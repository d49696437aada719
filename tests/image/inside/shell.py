"""What an operator types on the board, and how long they look at the result."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping

_LIMIT_S = 100
# Not more often: whoever looks takes the processor from what is looked at.
_LOOK_EVERY_S = 0.3


def run(
    *command: str, user: str = "", cwd: str | None = None, more: Mapping[str, str] | None = None
) -> str:
    """Run a command; return what it prints.

    Args:
        command: the command line.
        user: who runs it, with all groups of theirs; root if empty.
        cwd: where.
        more: variables of the environment to add.
    """
    done = _done(command, user, cwd, more)
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}: {done.stdout}"
    return done.stdout


def status_of(*command: str, user: str = "") -> tuple[int, str]:
    """Run a command that may fail; return its exit status and what it prints."""
    done = _done(command, user, None, None)
    return done.returncode, done.stdout


def until(what: str, happened: Callable[[], object], limit_s: float = 30.0) -> float:
    """Look again and again until something is so; return how long that took, in seconds."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < limit_s, f"waited {limit_s:g} s in vain until {what}"
        time.sleep(_LOOK_EVERY_S)
    return time.monotonic() - began


def _done(
    command: tuple[str, ...], user: str, cwd: str | None, more: Mapping[str, str] | None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["runuser", "-u", user, "--", *command] if user else command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_LIMIT_S,
        cwd=cwd,
        env={**os.environ, **(more or {})},
    )
