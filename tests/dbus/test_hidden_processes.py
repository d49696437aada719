"""Who holds the microphone, asked from a sandbox that hides other users' processes.

The kernel hides them: /proc is mounted as systemd mounts it for ``ProtectProc=invisible``.
systemd itself is played by the test, with the answers of the real one.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from mmid.dbus.bus import Bus
from mmid.dbus.wire import Message
from tests.dbus.private_bus import WAIT_S
from tests.dbus.system_bus import HIDE_PROCESSES, KINDS, MEMBER, MMID, ROOT, SystemBus

SYSTEMD = "org.freedesktop.systemd1"
MANAGER = SYSTEMD + ".Manager"
POLICY = f"""
  <policy context="default">
    <allow send_destination="{SYSTEMD}" send_interface="{MANAGER}" send_member="GetUnitByPID"/>
    <allow send_destination="{SYSTEMD}" send_interface="{MANAGER}" send_member="GetUnitProcesses"/>
  </policy>
"""

# All is imported before it becomes another user, whom the checkout may be closed to.
ASK = f"""
import asyncio, os, shlex, sys
from pathlib import Path
from mmid.dbus.bus import Bus
from mmid.dbus.credentials import description_of
async def ask(address, client):
    bus = await Bus.connect(address)
    print(await description_of(bus, client), Path("/proc/1").exists())
    await bus.close()
os.setgroups({MMID.groups})
os.setgid({MMID.groups[0]})
os.setuid({MMID.number})
asyncio.run(ask(*sys.argv[1:]))
"""
HIDDEN = f'{HIDE_PROCESSES} && exec "$@"'


class Systemd:
    """Answers what systemd knows about one process."""

    def __init__(self, bus: Bus) -> None:
        self.unit = "/org/freedesktop/systemd1/unit/ptt_2dbutton_2eservice"
        self.command = "/usr/bin/python3 /opt/button.py --token=swordfish"
        self.asked: list[tuple[str, object]] = []
        self._bus = bus
        bus.on_call = self._answer

    def _answer(self, message: Message) -> None:
        self.asked.append((message.member, message.body[0]))
        if message.member == "GetUnitByPID":
            reply = Message.new_method_return(message, "o", [self.unit])
        else:
            group = "/system.slice/ptt-button.service"
            processes = [[group, 1, "another"], [group, os.getpid(), self.command]]
            reply = Message.new_method_return(message, "a(sus)", [processes])
        self._bus.send(reply)


@pytest.fixture(scope="module", params=KINDS)
def system_bus(request: pytest.FixtureRequest) -> Iterator[SystemBus]:
    bus = SystemBus(request.param, POLICY)
    yield bus
    bus.stop()


@pytest.fixture
async def systemd(system_bus: SystemBus) -> AsyncIterator[Systemd]:
    bus = await system_bus.connect(ROOT)
    await bus.own_name(SYSTEMD)
    yield Systemd(bus)
    await bus.close()


async def description(system_bus: SystemBus) -> str:
    """Return how this process, as a client of the bus, is described from the sandbox."""
    holder = await system_bus.connect(MEMBER)
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", HIDDEN, "-"]
    process = await asyncio.create_subprocess_exec(
        *(*command, sys.executable, "-c", ASK, system_bus.address, holder.unique_name),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    client = holder.unique_name
    await holder.close()
    text, _, sees_others = output.decode().strip().rpartition(" ")
    assert sees_others == "False"
    return text.removeprefix(f"{client} ")


async def test_systemd_tells_the_program_and_the_unit_and_no_arguments(
    system_bus: SystemBus, systemd: Systemd
) -> None:
    said = await description(system_bus)
    assert said == f"(python3 of ptt-button.service, process {os.getpid()})"
    assert systemd.asked == [
        ("GetUnitByPID", os.getpid()),
        ("GetUnitProcesses", "ptt-button.service"),
    ]


async def test_without_systemd_there_is_the_process(system_bus: SystemBus) -> None:
    assert await description(system_bus) == f"(process {os.getpid()})"
