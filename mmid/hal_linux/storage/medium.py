"""What a medium is to the record: two slots that can be read and replaced.

Each kind of store has one (``file_store``, ``block_store``, ``mtd_store``,
``ubi_store``); ``slots`` alone decides what goes where.
"""

from contextlib import AbstractContextManager
from typing import Protocol

__all__ = ["Medium", "Slots"]


class Slots(Protocol):
    """A medium that is open."""

    def read(self, index: int) -> bytes | None:
        """Return what is in the slot, from its start, or None if nothing was ever written."""

    def write(self, index: int, data: bytes) -> None:
        """Replace what is in the slot; durable when this returns."""

    def remove(self, index: int) -> None:
        """Make the slot as if nothing was ever written; only where ``Medium.tears`` is false."""

    def stranger(self) -> str:
        """Return what lies around the slots that would be lost, or an empty text."""


class Medium(Protocol):
    """Where two slots are.

    Attributes:
        name: the target as the settings wrote it.
        places: what the slots are called in messages.
        tears: whether a power cut can leave a slot half written.
    """

    name: str
    places: tuple[str, str]
    tears: bool

    def opened(self, *, write: bool) -> AbstractContextManager[Slots]:
        """Open it, locked against other processes."""
