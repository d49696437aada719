"""The board is switched off, and on again."""

import time
from pathlib import Path

from tests.image.inside.cloud import CLOUD, journal
from tests.image.inside.service import DEVICE_NAME, listening
from tests.image.inside.shell import run
from tests.image.inside.true_time import set_clock
from tests.image.inside.unit import UNIT, show
from tests.rig.listener import DEVICE

_NO_CABLE = Path("/etc/systemd/system/no-cable.service")

# The cloud is on the loopback interface, which PID 1 brings up before all else. Its routes
# outlive it: what is sent would be swallowed, where without a network it cannot be sent.
_CABLE_IS_OUT = """\
[Unit]
Description=No network, until somebody brings it up
DefaultDependencies=no
Before=mmid.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip link set lo down
ExecStart=ip route flush table local

[Install]
WantedBy=multi-user.target
"""


async def the_next_start_is_without_a_network(place: Path) -> str:
    """Prepare the next start: no network, and dbus-broker as the bus."""
    _NO_CABLE.write_text(_CABLE_IS_OUT)
    run("systemctl", "enable", _NO_CABLE.name, "dbus-broker.service")
    run("systemctl", "disable", CLOUD)  # which finds no address to listen at then
    return run("systemctl", "is-enabled", UNIT).strip()


async def a_known_device_starts_without_a_network_and_never_registers(place: Path) -> str:
    """Ready with no network at all; connected when there is one; registered in its last life."""
    run("systemctl", "is-active", UNIT)
    assert run("systemctl", "list-units", "--failed", "--no-legend") == ""
    async with listening() as listener:
        set_clock()
        await listener.wait_for(".State", "offline")
        device = await listener.client.get_all(DEVICE)
        assert (device["DeviceName"], device["Registered"]) == (DEVICE_NAME, True), device
        assert "Network is unreachable" in _told_by_the_journal()
        status = show("StatusText")
        run("ip", "link", "set", "lo", "up")
        run("systemctl", "start", CLOUD)
        began = time.monotonic()
        await listener.wait_for(".State", "listening", timeout_s=80)
    assert not journal("register"), "it registered again"
    took = time.monotonic() - began
    return f"{status!r}; connected {took:.1f} s after the network came, not registered again"


def _told_by_the_journal() -> str:
    return run("journalctl", "--unit", UNIT, "--boot", "--no-pager")
