"""What a page of docs/ has in fenced blocks, and where it can be run.

The word after the fence says it. ``sh``: anywhere, with a board on a desk.
``sh board``: only on a board, as root: it needs systemd, flash or a sound card, which
a virtual machine has. ``ini`` is a drop-in of a unit, ``toml`` are settings.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmid.cli import mmictl_arguments, mmid_arguments

__all__ = ["ANYWHERE", "ON_A_BOARD", "Block", "blocks", "inline_commands", "parse_command"]

ANYWHERE = "sh"
ON_A_BOARD = "sh board"

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:mmid|mmictl)(?: [^`\n]+)?)`")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        kind: the word after the fence.
        text: what is in it.
    """

    kind: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines, without their comments."""
        return [line.partition("    #")[0].strip() for line in self.text.splitlines()]


def blocks(page: Path, *kinds: str) -> Iterator[Block]:
    """Yield the blocks of a page in order; without ``kinds`` all."""
    for kind, text in _FENCE.findall(page.read_text()):
        if not kinds or kind in kinds:
            yield Block(kind, text)


def inline_commands(page: Path) -> list[str]:
    """Return the commands of mmid that stand within sentences and tables."""
    return _INLINE.findall(_FENCE.sub("", page.read_text()))


def parse_command(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have mmid or mmictl parse its command line; SystemExit if it is wrong, or ``--help``."""
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    if sys.argv[0] == "mmictl":
        mmictl_arguments.parse()
        return
    names = ("run", "check", "hal-test", "provision", "storage show", "storage erase")
    mmid_arguments.parse({name: lambda _: 0 for name in names})
