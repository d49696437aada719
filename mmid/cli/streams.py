"""The standard streams, as the caller left them: read by nobody, full, or closed."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

__all__ = ["abandon", "complain", "open_closed_streams", "settle"]


def open_closed_streams() -> None:
    """Give a standard stream that the caller closed a file that takes all and has nothing."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - as long as we are


def complain(line: str) -> None:
    """Print a line to the standard error; if it takes none, only the exit status can tell."""
    with suppress(OSError):
        print(line, file=sys.stderr)


def settle(stream: TextIO) -> None:
    """Have a stream that cannot be written to not change the exit status.

    What could not be written stays in the stream, and Python tries once more when it ends:
    from 3.12 on with a status of its own, 120, if that fails, too.
    """
    try:
        stream.flush()
    except OSError:
        abandon(stream)


def abandon(stream: TextIO) -> None:
    """Send what a stream holds, and whatever is still written to it, nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
