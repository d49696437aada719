"""What the tools of mmid print: lines and JSON, without secrets, for readers that may go away."""

import json
import sys
from collections.abc import Iterable
from typing import Any

from mmid.cli.streams import abandon, complain
from mmid.secrets import redact

__all__ = ["as_set", "print_json", "print_lines"]

# EX_IOERR of sysexits.h, as for a device record that cannot be used.
_OUTPUT_FAILED = 74


def print_lines(lines: Iterable[str]) -> None:
    """Print lines now; a reader that went away is no error, a full disk ends the command."""
    try:
        for line in lines:
            print(redact(line))
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter must not try to flush it once more.
        abandon(sys.stdout)
    except OSError as error:
        abandon(sys.stdout)
        complain(f"mmid: the output cannot be written: {error}")
        sys.exit(_OUTPUT_FAILED)


def print_json(value: Any) -> None:
    """Print one JSON object on one line."""
    print_lines([json.dumps(value, ensure_ascii=False)])


def as_set(value: object) -> str:
    """Say of a secret only whether it is there."""
    return "set" if value else "not set"
