"""Cuts the power of a store for real: SIGKILL in the middle of a save, then a look at what is left.

Also a program, for a board or a virtual machine with the real device:

    python3 power_cuts.py TARGET --cuts 500 [--sealed]

needs ``mmid`` on the import path and nothing else; it erases what mmid has in
TARGET, cuts that many saves, and prints one JSON object. Exit status 1 if any
cut lost the record, or none came before or none after the new one was durable.

A forked child saves; at one system call it kills itself, before it or in the
middle of what it writes. The parent then loads: the old payload or the new
one must be there. What SIGKILL cannot show, a drive that loses what was not
synced, or a half-programmed page, ``medium_doubles`` models.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from mmid.errors import StorageFailed
from mmid.hal_linux.storage import medium_of
from mmid.hal_linux.storage.sealing import Sealing
from mmid.hal_linux.storage.slots import SlotStore
from mmid.hal_linux.storage.system_calls import SystemCalls
from mmid.secrets import Secret

# How much of a write is done when the power goes, in parts of it.
_TEARS = (0.0, 0.01, 0.1, 0.5, 0.9, 1.0)
_WRITES = {"write", "pwrite"}


class KillingCalls:
    """A kernel that kills its caller; it has the methods of ``SystemCalls``.

    Args:
        calls: who carries out the calls.
        log: each call's name is added before it is made.
        at: number of the call, from 0, that is the last.
        tear: how much of that call is still done, if it is a write: 0 to 1.
    """

    def __init__(self, calls: SystemCalls, log: list[str], at: int, tear: float) -> None:
        self._calls = calls
        self._log = log
        self._at = at
        self._tear = tear

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._calls, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._log.append(name)
            if len(self._log) - 1 == self._at:
                self._half(name, call, args)
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return counted

    def _half(self, name: str, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if name not in _WRITES:
            return
        descriptor, data, *offset = args
        # Direct I/O takes whole sectors only.
        grain = 512 if offset and len(data) % 512 == 0 else 1
        length = int(len(data) * self._tear) // grain * grain
        if length:
            call(descriptor, data[:length], *offset)


@dataclass
class Tally:
    """What came of the cuts.

    Attributes:
        cuts: how many saves were killed.
        old: how often the old payload was found.
        new: how often the new one was.
        lost: what was found instead, and where the cut was.
        by_call: cuts by the system call at which they were made.
    """

    target: str
    cuts: int = 0
    old: int = 0
    new: int = 0
    lost: list[str] = field(default_factory=list)
    by_call: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, name: str) -> None:
        """Count a cut in this call."""
        self.cuts += 1
        self.by_call[name] = self.by_call.get(name, 0) + 1


def cut_saves(
    target: str,
    cuts: int,
    *,
    sealing: Sealing | None = None,
    calls: SystemCalls | None = None,
) -> Tally:
    """Kill saves at one system call after the other, and load after each.

    A write is cut once for each tear. When all calls of a save had their cut,
    it starts over with other payloads.

    Args:
        target: as in ``storage.target``; what mmid has there is erased first.
        cuts: how many saves are killed.
        sealing: seals the payloads; a child is started for each, which takes its time.
        calls: the kernel, or what makes a device of something else.
    """
    tally, started = Tally(target), time.monotonic()
    calls = calls or SystemCalls()
    store = SlotStore(medium_of(target, calls), sealing=sealing, force=True)
    store.erase()
    old: bytes | None = None
    at = tear = number = 0
    while tally.cuts < cuts:
        number += 1
        new = f"payload {number} ".encode() * (1 + number % 40)
        name = _killed_at(target, sealing, new, (calls, at, _TEARS[tear]))
        if name:
            where = f"cut {tally.cuts} in {name}, call {at}, {_TEARS[tear]:.0%} of it done"
            tally.add(name)
            old = _look(tally, store, where, (old, new))
        else:
            old = new  # it was through before that call
        if name in _WRITES and tear + 1 < len(_TEARS):
            tear += 1
        else:
            at, tear = (at + 1 if name else 0), 0
    tally.seconds = round(time.monotonic() - started, 2)
    return tally


def _killed_at(
    target: str, sealing: Sealing | None, new: bytes, kill: tuple[SystemCalls, int, float]
) -> str:
    """Save in a forked child, and return at which call it was killed; empty: it was not."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        _save_and_exit(target, sealing, new, kill, writer)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        names = pipe.read().split()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return names[-1]
    if os.waitstatus_to_exitcode(status):
        raise AssertionError(f"the save itself failed: {' '.join(names[-40:])}")
    return ""


def _save_and_exit(
    target: str,
    sealing: Sealing | None,
    new: bytes,
    kill: tuple[SystemCalls, int, float],
    writer: int,
) -> None:
    """Be the child: tell each call's name down the pipe, and never return."""
    calls, at, tear = kill
    killing = cast("SystemCalls", KillingCalls(calls, _Wire(writer), at, tear))
    status = 1
    try:
        SlotStore(medium_of(target, killing), sealing=sealing).save(new)
        status = 0
    except StorageFailed as error:
        os.write(writer, str(error).encode())
    finally:
        os._exit(status)


class _Wire(list[str]):
    """A list whose entries go down a pipe too, before the process is killed."""

    def __init__(self, writer: int) -> None:
        super().__init__()
        self._writer = writer

    def append(self, name: str) -> None:
        super().append(name)
        os.write(self._writer, f"{name} ".encode())


def _look(
    tally: Tally, store: SlotStore, where: str, payloads: tuple[bytes | None, bytes]
) -> bytes | None:
    """Load after a cut; return what is there."""
    old, new = payloads
    try:
        found = store.load()
    except StorageFailed as error:
        tally.lost.append(f"{where}: {error}")
        store.erase()
        return None
    if found not in payloads:
        tally.lost.append(f"{where}: {found!r}")
    tally.new += found == new
    tally.old += found == old
    return found


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("target", help="as in storage.target; what mmid has there is lost")
    parser.add_argument("--cuts", type=int, default=500)
    parser.add_argument("--sealed", action="store_true", help="seal the payloads, with some key")
    options = parser.parse_args()
    sealing = Sealing(Secret(os.urandom(32).hex())) if options.sealed else None
    tally = cut_saves(options.target, options.cuts, sealing=sealing)
    print(json.dumps(asdict(tally)))  # noqa: T201 - this is the answer
    return 1 if tally.lost or not (tally.old and tally.new) else 0


if __name__ == "__main__":
    sys.exit(main())
