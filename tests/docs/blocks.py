"""The fenced blocks of a page of docs/, and where what is in them can be run.

The word after the fence says it. ``sh``: anywhere, with a board on a desk.
``sh board``: only on a board, as root: it needs systemd, flash or a sound card, which
a virtual machine has. ``ini`` is a drop-in of a unit, ``toml`` are settings.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ANYWHERE = "sh"
ON_A_BOARD = "sh board"

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


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
    for kind, text in FENCE.findall(page.read_text()):
        if not kinds or kind in kinds:
            yield Block(kind, text)
