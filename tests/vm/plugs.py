"""The power switch: QEMU is killed while the machine saves, again and again.

Each machine of the series goes on from the same state, which is older than
the disk: its kernel meets the disk as a board does that starts after a cut.
"""

import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.vm.disk import make_disk
from tests.vm.image import Image
from tests.vm.machine import Machine, Report
from tests.vm.plan import PLUGS

CUTS = 24

# A machine that does so little for so long hangs.
_LIMIT_S = 600.0

# Then a moment at random, long enough for some more saves.
_LONGEST_AFTER_S = 0.8

_MIB = 40
_PARTITIONS = {"cut-block": "1MiB", "cut-mtd": "1MiB", "cut-ubi": "8MiB", "cut-file": "16MiB"}
_STORES = len(_PARTITIONS)


@dataclass
class _Ledger:
    """What each store must hold.

    Attributes:
        durable: number of the last record that a store is known to hold.
        found: how many records were found as they must be.
        ahead: how many of these nobody had told yet when the plug was pulled.
        wrong: what was found instead.
    """

    durable: dict[str, int] = field(default_factory=dict)
    found: int = 0
    ahead: int = 0
    wrong: list[str] = field(default_factory=list)

    def check(self, store: str, number: int) -> None:
        """The record that was durable, or the one that was being saved."""
        durable = self.durable.get(store, 0)
        self.found += 1
        self.ahead += number == durable + 1
        if number not in (durable, durable + 1):
            self.wrong.append(f"{store} had told {durable}, and has {number}")
        self.durable[store] = number


def pull_plugs(image: Image, state: Path, build: Path) -> list[Report]:
    """Pull the plug so often, and look after each time; return the reports of a check.

    Args:
        image: what the machines run.
        state: a machine that waits for an order.
        build: where disk and console go.
    """
    began = time.monotonic()
    disk = make_disk(build / "cut.img", _MIB, _PARTITIONS)
    ledger = _Ledger()
    for number in range(CUTS + 1):
        with Machine(image, build / "console-cut.log", _LIMIT_S, state=state) as machine:
            machine.plug("flash", disk)
            prepare = ["cut.prepare"] if not number else []
            machine.order([*prepare, "cut.look_then_save_until_the_cut"])
            # In the first save of a life the two copies differ most often; so every other time.
            _one_life(machine, ledger, number % 2, _LONGEST_AFTER_S if number < CUTS else 0)
        if ledger.wrong:
            break
    found = (
        f"{number} plugs pulled, {ledger.found} records looked for: {len(ledger.wrong)} lost, "
        f"{ledger.ahead} newer than the machine had told; {sum(ledger.durable.values())} saves"
    )
    result = {
        "kind": "result",
        "check": PLUGS,
        "good": not ledger.wrong,
        "found": "; ".join([found, *ledger.wrong]),
        "seconds": round(time.monotonic() - began, 1),
    }
    return [result, {"kind": "cuts", "number": number}]


def _one_life(machine: Machine, ledger: _Ledger, saves: int, longest_s: float) -> None:
    """Hear what is found and saved, then pull the plug.

    Args:
        machine: it looks, and saves.
        ledger: what it should find.
        saves: how often each store must have saved before.
        longest_s: the most that is waited for then.
    """
    missing: dict[str, int] = {}
    doomed = False
    for report in machine.reports():
        if report["kind"] == "found":
            ledger.check(report["store"], report["number"])
            missing[report["store"]] = saves
        elif report["kind"] == "saved":
            ledger.durable[report["store"]] = report["number"]
            missing[report["store"]] -= 1
        elif report["kind"] == "result" and not report["good"]:
            ledger.wrong.append(report["found"])
            machine.pull_the_plug()
        if not doomed and len(missing) == _STORES and max(missing.values()) <= 0:
            doomed = True
            moment_s = random.uniform(0, longest_s)  # noqa: S311 - any moment will do
            threading.Timer(moment_s, machine.pull_the_plug).start()
    if not doomed and not ledger.wrong:
        ledger.wrong.append(f"the machine was off too early, with {missing}")
