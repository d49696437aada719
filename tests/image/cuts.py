"""The power switch during a registration: QEMU is killed before, in and after it.

Each machine of the series goes on from the same state: mmid is installed and
told who it is, simcloud runs, nothing was registered. The disk with the record
outlives the machine, and is plugged into the next one.

simcloud is within the machine and forgets with it, so each life registers
another device. What must be true of the record is known here by what the
machine told before its plug was pulled.
"""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.image.board import KERNEL
from tests.image.plan import CUTS
from tests.vm.disk import make_disk
from tests.vm.image import Image
from tests.vm.machine import Machine, Report

NUMBER = 20

# A machine that does so little for so long hangs.
_LIMIT_S = 300.0

# What the plug is pulled after, and the longest that is waited for then: the start of Python
# takes long; from the cloud's yes to the record, and on to the dialog, it is a moment.
_MOMENTS = {"starting": 8.0, "asked": 0.4, "stored": 0.8}

_MIB = 16
_BLOCK, _FLASH = {"block": {"mmid": "1MiB"}}, {"mtd": {"flash": "1MiB"}}


@dataclass
class Ledger:
    """What the records of one disk must be.

    Attributes:
        device_name: the device that registered in the life before; empty if none did.
        told: what was told of that: ``starting``, ``asked`` (the cloud has used up the
            name), ``stored`` (mmid says that it is registered).
        found: how often which record was found after which was told.
        wrong: what was found instead.
    """

    device_name: str = ""
    told: str = ""
    found: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def check(self, found: Report) -> None:
        """Judge the record after a cut.

        What mmid says is stored is stored. Before the cloud is asked the record says
        that it will be: who finds that knows why the name may be used up.
        """
        mine = {"registered": found["registered"], "pending": found["pending"]}
        kept = next((kind for kind, name in mine.items() if name), "nothing")
        allowed = {"": {"nothing"}, "asked": {"pending", "registered"}, "stored": {"registered"}}
        strange = {name for name in mine.values() if name} - {self.device_name}
        self.found[f"{self.told or 'new'}: {kept}"] += 1
        if strange or kept not in allowed.get(self.told, {"nothing", "pending", "registered"}):
            self.wrong.append(f"{self.device_name or 'nobody'} had told {self.told!r}: {found}")
        self.device_name, self.told = "", ""


def cut_registrations(image: Image, state: Path, build: Path) -> Report:
    """Pull the plug so often, and look after each time; return the report of a check.

    Args:
        image: what the machines run.
        state: a machine that waits for an order.
        build: where disks and console go.
    """
    began = time.monotonic()
    layouts = _BLOCK | _FLASH if image.architecture.flash else _BLOCK
    disks = {kind: make_disk(build / f"cut-{kind}.img", _MIB, layouts[kind]) for kind in layouts}
    ledgers = {kind: Ledger() for kind in disks}
    for number in range(NUMBER + len(disks)):
        kind = list(disks)[number % len(disks)]
        moment = list(_MOMENTS)[number // len(disks) % len(_MOMENTS)] if number < NUMBER else ""
        with _machine(image, state, build) as machine:
            machine.plug("record", disks[kind])
            prepare = ["cut.prepare"] if number < len(disks) else []
            then = "cut.look_then_register_until_the_cut" if moment else "cut.look"
            machine.order([*prepare, then])
            live(machine, ledgers[kind], moment)
    found = sum((ledger.found for ledger in ledgers.values()), Counter[str]())
    wrong = [text for ledger in ledgers.values() for text in ledger.wrong]
    counts = ", ".join(f"{what} ({count})" for what, count in sorted(found.items()))
    return {
        "kind": "result",
        "check": CUTS,
        "good": not wrong,
        "found": "; ".join([f"{NUMBER} plugs pulled; told and found: {counts}", *wrong]),
        "seconds": round(time.monotonic() - began, 1),
    }


def live(machine: Machine, ledger: Ledger, moment: str) -> None:
    """Hear what is found and told, then pull the plug.

    Args:
        machine: it looks, and registers.
        ledger: what it should find.
        moment: which report to pull the plug after; empty: it only looks.
    """
    looked = False
    for report in machine.reports():
        if report["kind"] == "found":
            looked = True
            ledger.check(report)
        elif report["kind"] == "starting":
            ledger.device_name = report["device_name"]
        elif report["kind"] == "result" and not report["good"]:
            ledger.wrong.append(report["found"])
        if report["kind"] in _MOMENTS:
            ledger.told = max(ledger.told, report["kind"], key=["", *_MOMENTS].index)
        if report["kind"] == moment:
            wait_s = random.uniform(0, _MOMENTS[moment])  # noqa: S311 - any moment will do
            threading.Timer(wait_s, machine.pull_the_plug).start()
        elif report["kind"] == "result" and not (moment and report["good"]):
            machine.pull_the_plug()
    if not looked:
        ledger.wrong.append("the machine was off before it had looked")


def _machine(image: Image, state: Path, build: Path) -> Machine:
    """Go on from the state, with a copy of its disk."""
    root = build / "cut-root.qcow2"
    root.write_bytes(state.with_suffix(".root").read_bytes())
    console = build / "console-cut.log"
    return Machine(image, console, _LIMIT_S, state=state, root=root, kernel=KERNEL)
