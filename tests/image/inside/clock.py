"""The board's first start, with a clock that stands in the past."""

import time
from pathlib import Path

from tests.image.inside.cloud import journal
from tests.image.inside.service import DEVICE_NAME, listening, record
from tests.image.inside.shell import run, until
from tests.image.inside.true_time import now, set_clock
from tests.image.inside.unit import UNIT, show
from tests.rig.listener import DEVICE

# From the sync to the request for registration at the cloud.
_REGISTERS_S = 3.0


async def without_time_the_first_boot_waits_and_with_it_registers(place: Path) -> str:
    """Up and ready without a set clock, nothing is signed; registered soon after the sync."""
    run("systemctl", "is-active", UNIT)
    wrong_s = now() - time.time()
    until("it waits for the clock", lambda: "waiting for the clock" in show("StatusText"))
    assert not journal("register")
    explained = run("journalctl", "--unit", UNIT, "--boot", "--catalog", "--no-pager")
    assert "whether there is a time service" in explained, explained
    async with listening() as listener:
        await listener.wait_for(".State")
        set_clock()
        set_at = time.monotonic()
        ready = (await listener.wait_for(".State", "listening")).at - set_at
        assert await listener.client.get(DEVICE, "LicenseState") == "authorized"
    requests = journal("register")
    assert [(one["device_name"], one["code"]) for one in requests] == [(DEVICE_NAME, "200")]
    took = requests[0]["t"] - set_at
    assert took < _REGISTERS_S, f"registered {took:.2f} s after the sync"
    kept = record()["record"]
    assert (kept["registered"], kept["device_name"]) == (True, DEVICE_NAME), kept
    return (
        f"the clock was {wrong_s / 86400:.0f} days slow; registered {took:.2f} s after the sync, "
        f"listening after {ready:.2f} s"
    )


async def a_second_start_does_not_register(place: Path) -> str:
    """The unit is restarted: the triple is in the record."""
    before = len(journal("register"))
    run("systemctl", "restart", UNIT)
    async with listening() as listener:
        await listener.wait_for(".State", "listening")
    assert len(journal("register")) == before
    return f"{len(journal('connect'))} connections, {before} registration"
