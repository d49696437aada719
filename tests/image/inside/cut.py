"""A device registers until the host pulls the plug; the next machine looks at the record."""

import asyncio
import time
from pathlib import Path

from mmid.hal_linux.storage import SlotState, describe, open_store
from mmid.session.license.record import DeviceRecord
from tests.image.inside.cloud import journal
from tests.image.inside.service import listening
from tests.image.inside.shell import run, until
from tests.image.inside.storage import RECORD, choose, follow_recipe
from tests.image.inside.true_time import now, set_clock
from tests.image.inside.unit import UNIT
from tests.vm.inside.channel import report
from tests.vm.inside.devices import block2mtd

_FLASH = Path("/dev/disk/by-partlabel/flash")

# To ask more often would keep this board busy.
_ASK_AGAIN_S = 0.02
_PATIENCE_S = 60.0


def all_is_ready_for_the_machines_beside(place: Path) -> str:
    """The unit takes its own recipe for a record elsewhere; they go on from here."""
    follow_recipe()
    return "the unit's recipe is a drop-in"


def prepare(place: Path) -> str:
    """Make a new disk ready: flash is blank when it is full of ones."""
    target = _target()
    if target.startswith("mtd:"):
        run("flash_erase", str(RECORD.resolve()), "0", "0")
    return target


async def look_then_register_until_the_cut(place: Path) -> str:
    """Tell what the record is, erase it, and register anew; tell how far that is."""
    target = _target()
    _look(target)
    open_store(target).erase()
    kind = target.partition(":")[0]
    device_name = f"cut-{now() * 1000:.0f}"
    choose(kind, device_name)
    set_clock()
    report("starting", device_name=device_name)
    run("systemctl", "start", "--no-block", UNIT)
    async with asyncio.TaskGroup() as group:
        group.create_task(_tell_when_asked())
        group.create_task(_tell_when_stored())
    await asyncio.sleep(_PATIENCE_S)
    raise AssertionError("nobody pulled the plug")


async def look(place: Path) -> str:
    """Tell what the record is."""
    _look(_target())
    return "looked"


def _target() -> str:
    """Wait for the disk; make its flash, if it is to be one."""
    until("the disk is there", lambda: RECORD.exists() or _FLASH.exists())
    if _FLASH.exists():
        block2mtd("flash", "mmid")
        until("the flash is there", RECORD.exists)
        return f"mtd:{RECORD}"
    return f"block:{RECORD}"


def _look(target: str) -> None:
    payload = open_store(target).load()  # raises if no copy can be read
    record = DeviceRecord() if payload is None else DeviceRecord.decode(payload)
    damaged = sum(copy.state is SlotState.DAMAGED for copy in describe(target, None))
    report(
        "found",
        registered=record.device_name if record.registered else "",
        pending=record.pending.device_name if record.pending else "",
        damaged=damaged,
    )


async def _tell_when_asked() -> None:
    """Tell as soon as the cloud has registered it: the name is used up."""
    began = time.monotonic()
    while not journal("register"):
        assert time.monotonic() - began < _PATIENCE_S, "the cloud was never asked"
        await asyncio.sleep(_ASK_AGAIN_S)
    report("asked")


async def _tell_when_stored() -> None:
    """Tell as soon as mmid says that it is registered."""
    async with listening() as listener:
        await listener.wait_for(".Registered", True, timeout_s=_PATIENCE_S)
    report("stored")
