"""Every power cut of every kind of store, on media in memory; the sums are printed by a run:

python3 -m tests.hal_linux.storage.simulated_cuts
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from mmid.hal_linux.storage import medium_of
from mmid.hal_linux.storage.slots import SlotStore
from tests.hal_linux.storage.medium_doubles import (
    BlockDouble,
    Double,
    FilesDouble,
    MtdDouble,
    UbiDouble,
)


class SmallBlocks(MtdDouble):
    """NOR with sectors of 4 KiB: a record needs two."""

    erase_bytes = 4096
    write_bytes = 16


class BadBlocks(MtdDouble):
    """The first block of the first half is bad, and pages are long."""

    write_bytes = 512
    bad = (0, 5)


class LongSectors(BlockDouble):
    """A drive that writes 4096 bytes at a time."""

    sector_bytes = 4096


KINDS: dict[str, type[Double]] = {
    "file": FilesDouble,
    "block": BlockDouble,
    "block-4k": LongSectors,
    "mtd": MtdDouble,
    "mtd-small-blocks": SmallBlocks,
    "mtd-bad-blocks": BadBlocks,
    "ubi": UbiDouble,
}

_OLD, _NEW, _NEXT = b"old" * 30, b"new" * 40, b"next" * 20


def store_on(double: Double) -> SlotStore:
    return SlotStore(medium_of(double.target, double))


def explore(
    kind: type[Double],
    state: Any,
    action: Callable[[SlotStore], None],
    allowed: set[bytes | None],
    depth: int = 2,
) -> int:
    """Cut the power everywhere in an action, and check what each cut leaves.

    What is left must load as one of ``allowed``, and the next save must work;
    with ``depth`` 2 that save too is cut everywhere, once for each pair of
    things that the two copies can be.

    Returns:
        How many different states there were.
    """
    states: set[Any] = set()
    found: set[bytes | None] = set()
    pairs: set[tuple[Any, ...]] = set()
    below = 0

    def check(left: Any) -> None:
        nonlocal below
        if left in states:
            return
        states.add(left)
        store = store_on(kind(left))
        payload = store.load()
        assert payload in allowed
        found.add(payload)
        pair = tuple((copy.state, copy.sequence) for copy in store.inspect())
        if depth > 1 and pair not in pairs:
            pairs.add(pair)
            below += explore(kind, left, _save_next, {payload, _NEXT}, depth - 1)
        store.save(_NEXT)
        assert store.load() == _NEXT

    double = kind(state, check)
    store = store_on(double)
    action(store)
    reached = store.load()
    for left in double.lost():  # what is said to be durable is
        check(left)
        assert store_on(kind(left)).load() == reached
    assert found == allowed
    return len(states) + below


def _save_next(store: SlotStore) -> None:
    store.save(_NEXT)


def _save_lightly(store: SlotStore) -> None:
    store.save(_NEW, both=False)


def cuts_of_kind(kind: type[Double]) -> int:
    """Cut the first save, a later one, one in a single copy, and an erase."""
    new = kind()
    first = explore(kind, new.state(), lambda store: store.save(_NEW), {None, _NEW})
    used = kind()
    store_on(used).save(_OLD)
    later = explore(kind, used.state(), lambda store: store.save(_NEW), {_OLD, _NEW})
    store_on(used).save(_OLD)
    lighter = explore(kind, used.state(), _save_lightly, {_OLD, _NEW})
    erased = explore(kind, used.state(), SlotStore.erase, {_OLD, None})
    return first + later + lighter + erased


def main() -> int:
    """Print the number of cuts of each kind."""
    started = time.monotonic()
    cuts: dict[str, float] = {name: cuts_of_kind(kind) for name, kind in KINDS.items()}
    cuts["all"] = sum(cuts.values())
    cuts["seconds"] = round(time.monotonic() - started, 1)
    print(json.dumps(cuts))  # noqa: T201 - this is the answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
