"""The commands of mmid that stand in a page of docs/, and whether they are ones."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from mmid.cli.mmictl import arguments as mmictl_arguments
from mmid.cli.mmid import arguments as mmid_arguments
from tests.docs.blocks import FENCE

_INLINE = re.compile(r"`((?:mmid|mmictl)(?: [^`\n]+)?)`")


def inline_commands(page: Path) -> list[str]:
    """Return the commands of mmid that stand within sentences and tables."""
    return _INLINE.findall(FENCE.sub("", page.read_text()))


def parse_command(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have mmid or mmictl parse its command line; SystemExit if it is wrong, or ``--help``."""
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    if sys.argv[0] == "mmictl":
        mmictl_arguments.parse()
        return
    mmid_arguments.parse()
