"""What goes wrong with a service on a board, and what comes of it."""

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from tests.image.inside.cloud import CLOUD, facts, journal
from tests.image.inside.service import configure, drop_in, listening, record
from tests.image.inside.shell import run, until
from tests.image.inside.unit import UNIT, main_pid, show
from tests.rig.listener import DEVICE, DIALOG, Listener

_BACK_S = 5.0

# The unit's own time would only be waited for.
_IMPATIENT = "[Service]\nWatchdogSec=10s\n"
# That, TimeoutStopSec, and a start.
_FROZEN_S = 45.0

_RECORDS, _KEPT = Path("/var/lib/mmid"), Path("/var/lib/mmid.kept")
_BALLAST = Path("/var/lib/image-test/ballast")


async def killed_it_is_back_within_five_seconds_and_goes_on(place: Path) -> str:
    """``kill -9``: systemd starts it again, and it goes on with the same dialog."""
    async with listening() as listener:
        await listener.wait_for(".State", "listening")
        before = await listener.client.get(DIALOG, "DialogId")
    until("the dialog is in the record", lambda: record()["record"]["dialog_id"] == before, 70)
    restarts, registered = int(show("NRestarts")), len(journal("register"))
    killed_at = time.monotonic()
    os.kill(main_pid(), signal.SIGKILL)
    until("it is started again", lambda: int(show("NRestarts")) > restarts and _active())
    back = int(show("ActiveEnterTimestampMonotonic")) / 1e6 - killed_at
    assert 0 < back < _BACK_S, f"back after {back:.1f} s"
    began = time.monotonic()
    async with listening() as listener:
        await listener.wait_for(".State", "listening")
        assert await listener.client.get(DIALOG, "DialogId") == before
        took = time.monotonic() - began
    assert len(journal("register")) == registered
    explained = run("journalctl", "--unit", UNIT, "--boot", "--catalog", "--no-pager")
    assert "The run of mmid before this one did not end as it should" in explained
    return f"ready after {back:.1f} s, listening {took:.1f} s later, dialog {before}"


async def frozen_it_is_started_again_by_the_watchdog(place: Path) -> str:
    """A loop that stands still (SIGSTOP): systemd hears nothing, ends it and starts another."""
    watched = show("WatchdogUSec")
    assert watched == "40s", watched
    with drop_in(_IMPATIENT):
        frozen, restarts = main_pid(), int(show("NRestarts"))
        os.kill(frozen, signal.SIGSTOP)
        # To ask systemd all the while would keep this board busy.
        gone = until("the watchdog bites", lambda: not Path(f"/proc/{frozen}").exists(), _FROZEN_S)
        back = gone + until(
            "it is started again", lambda: int(show("NRestarts")) > restarts and _active()
        )
        assert "Watchdog timeout" in run("journalctl", "--boot", "--unit", UNIT, "--no-pager")
        async with listening() as listener:
            await listener.wait_for(".State", "listening")
    return f"ready again after {back:.0f} s, of which the watchdog waited 10 and not {watched}"


async def a_cloud_that_goes_and_comes_is_found_again(place: Path) -> str:
    """Nobody answers any more: it says so; it connects by itself when there is somebody."""
    async with listening() as listener:
        await listener.wait_for(".State", "listening")
        run("systemctl", "stop", CLOUD)
        await listener.wait_for(".Connected", False)
        status = show("StatusText")
        run("systemctl", "start", CLOUD)
        began, start = time.monotonic(), len(listener.heard)
        await listener.wait_for(".State", "listening", after=start, timeout_s=60)
        took = time.monotonic() - began
    assert not journal("register")
    return f"{status!r}; listening {took:.1f} s after the cloud was started"


async def a_full_disk_costs_no_registration(place: Path) -> str:
    """What cannot be stored is not asked for; when there is room, it is."""
    run("systemctl", "stop", UNIT)
    _RECORDS.rename(_KEPT)
    before = len(journal("register"))
    configure(facts(), "image-full")
    _fill_disk()
    async with listening() as listener:
        told = await _first_error(listener)
        assert told["code"] == "storage", told
        assert len(journal("register")) == before, "it was registered, with a full disk"
        assert await listener.client.get(DEVICE, "Registered") is False
        _BALLAST.unlink()
        run("mmictl", "device", "register")
        await listener.wait_for(".State", "listening", timeout_s=60)
    assert record()["record"]["device_name"] == "image-full"
    run("systemctl", "stop", UNIT)
    shutil.rmtree(_RECORDS)
    _KEPT.rename(_RECORDS)
    configure(facts())
    return f"told {told['message']!r}; then registered"


async def _first_error(listener: Listener) -> dict[str, Any]:
    """Return what went wrong since the start, also if that was before we came."""
    error: dict[str, Any] = await listener.client.get(DIALOG, "LastError")
    if not error:
        await listener.wait_for("Error")
        error = await listener.client.get(DIALOG, "LastError")
    return error


def _active() -> bool:
    return show("ActiveState") == "active"


def _fill_disk() -> None:
    """Leave not a block to who is not root."""
    with _BALLAST.open("wb") as ballast:
        length = 0
        while free := os.statvfs(_BALLAST).f_bavail * os.statvfs(_BALLAST).f_bsize:
            os.posix_fallocate(ballast.fileno(), length, free)
            length += free
