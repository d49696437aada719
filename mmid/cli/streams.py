"""What the commands print, without secrets, to streams that may be full, closed or unread."""

import json
import os
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from mmid.secrets import redact

# EX_IOERR of sysexits.h, as for a device record that cannot be used.
_OUTPUT_FAILED = 74

_LONGEST_WORDS = 500  # characters of an exception that are printed


def open_closed_streams() -> None:
    """Put ``/dev/null`` in the place of each standard stream that the caller closed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - as long as we are


def replace_unknown_letters() -> None:
    """Have the output show a letter that its character set lacks as a question mark."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def harmless(text: str) -> str:
    """Return the text without what would command a terminal.

    A name in a record or in a cloud's answer may hold ESC, or one of the C1 controls
    (U+0080 to U+009F), which some terminals obey like ESC with a letter.
    """
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def complain(line: str) -> None:
    """Print a line to the standard error; if it takes none, only the exit status can tell."""
    with suppress(OSError):
        print(harmless(line), file=sys.stderr)


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


def print_lines(lines: Iterable[str]) -> None:
    """Print lines now; a reader that went away is no error, a full disk ends the command."""
    try:
        for line in lines:
            print(harmless(redact(line)))
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter must not try to flush it once more.
        abandon(sys.stdout)
    except OSError as error:
        abandon(sys.stdout)
        complain(f"mmid: the output cannot be written: {error}")
        sys.exit(_OUTPUT_FAILED)


def print_json(value: Any) -> None:
    """Print a value as ``print_lines`` prints a line."""
    print_lines([json_line(value)])


def json_line(value: Any) -> str:
    """Return a value as one line of JSON; what would command a terminal is escaped in it."""
    return escaped(json.dumps(value, ensure_ascii=False))


def escaped(text: str) -> str:
    """Return a line of JSON in which what would command a terminal is escaped."""
    return "".join(one if one.isprintable() else json.dumps(one).strip('"') for one in text)


def internal_error(error: Exception) -> str:
    """Say where this program itself is wrong; a traceback would help no operator."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    # An exception may quote a secret, or a whole message. Secrets are masked before the text is
    # cut: half of one would not be known again.
    what = redact(repr(error))
    if len(what) > _LONGEST_WORDS:
        what = f"{what[:_LONGEST_WORDS]}... ({len(what)} characters)"
    return redact(f"internal error: {what} at {place.filename}:{place.lineno}; please report it")


def as_set(value: object) -> str:
    """Say of a secret only whether it is there."""
    return "set" if value else "not set"
