"""The first call starts the daemon: a real bus asks whoever is systemd there for the unit."""

import asyncio
from collections.abc import Iterator

import pytest

from mmid.cli.mmictl import __main__ as mmictl
from mmid.dbus.failures import ACCESS_DENIED, CallFailed
from mmid.dbus.interface import DIALOG, NAME, PATH
from mmid.dbus.wire import Message
from tests.dbus.private_bus import WAIT_S
from tests.dbus.system_bus import MEMBER, ROOT, STRANGER, SystemBus

SYSTEMD = "org.freedesktop.systemd1"
ACTIVATOR = SYSTEMD + ".Activator"


@pytest.fixture
def system_bus() -> Iterator[SystemBus]:
    bus = SystemBus("dbus-daemon")
    yield bus
    bus.stop()


async def test_the_first_call_has_systemd_start_the_unit(system_bus: SystemBus) -> None:
    asked: asyncio.Queue[Message] = asyncio.Queue()
    systemd = await system_bus.connect(ROOT)
    await systemd.own_name(SYSTEMD)
    member = await system_bus.connect(MEMBER)
    assert NAME in await member.ask_bus("ListActivatableNames", "")
    systemd.on_signal = asked.put_nowait
    call = asyncio.create_task(member.call(NAME, PATH, DIALOG, "Interrupt"))
    async with asyncio.timeout(WAIT_S):
        while (request := await asked.get()).interface != ACTIVATOR:
            pass
    assert (request.member, request.body) == ("ActivationRequest", ["dbus-org.mmid1.service"])
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    for bus in (systemd, member):
        await bus.close()


@pytest.mark.parametrize(
    "command",
    ["status", "monitor", "timeline", "device show", "volume", "doctor --config /no/such/file"],
)
async def test_whoever_only_looks_does_not_start_what_somebody_stopped(
    system_bus: SystemBus, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    asked: list[str] = []
    systemd = await system_bus.connect(ROOT)
    await systemd.own_name(SYSTEMD)
    systemd.on_signal = lambda message: asked.append(message.member)
    arguments = ["--bus", system_bus.address, *command.split()]
    status = await asyncio.wait_for(asyncio.to_thread(mmictl.main, arguments), WAIT_S)
    assert status == (1 if command.startswith("doctor") else 69)
    said = capsys.readouterr()
    assert "systemctl start mmid" in said.out + said.err
    await systemd.ask_bus("GetId", "")
    assert "ActivationRequest" not in asked
    await systemd.close()


async def test_a_stranger_does_not_start_anything(system_bus: SystemBus) -> None:
    asked: list[str] = []
    systemd = await system_bus.connect(ROOT)
    await systemd.own_name(SYSTEMD)
    systemd.on_signal = lambda message: asked.append(message.member)
    stranger = await system_bus.connect(STRANGER)
    with pytest.raises(CallFailed) as caught:
        await stranger.call(NAME, PATH, DIALOG, "Interrupt")
    assert caught.value.name == ACCESS_DENIED
    await systemd.ask_bus("GetId", "")
    assert "ActivationRequest" not in asked
    for bus in (systemd, stranger):
        await bus.close()
