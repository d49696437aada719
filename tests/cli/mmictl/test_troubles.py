"""mmictl with a daemon, or a bus, that fails in the middle of everything."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from mmid.cli.mmictl.__main__ import main
from mmid.dbus import bus as bus_module
from mmid.dbus.bus import Bus
from mmid.dbus.interface import NAME
from mmid.dbus.wire import Message
from tests.dbus.private_bus import WAIT_S, PrivateBus

# All but the monitor, which waits for what happens and asks for nothing.
CALLING = [
    *("status", "status --history", "talk --seconds 0.1 --timeout 0.1", "ask --timeout 0.1 what"),
    *("say hello", "interrupt", "cancel", "new-dialog", "timeline", "connect", "disconnect"),
    *("device show", "device register", "device reset --yes", "volume", "volume +5", "mute"),
]


@pytest.fixture
async def mmid(address: str) -> AsyncIterator[Bus]:
    """A program that has mmid's name."""
    bus = await Bus.connect(address)
    await bus.own_name(NAME)
    yield bus
    await bus.close()


class Mmictl:
    """Runs mmictl in a thread of its own, which is quicker than a process."""

    def __init__(self, address: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._address = address
        self._capsys = capsys

    async def __call__(self, command: str) -> tuple[int, str]:
        """Return the exit status and the complaint."""
        arguments = ["--bus", self._address, *command.split()]
        status = await asyncio.wait_for(asyncio.to_thread(main, arguments), WAIT_S)
        return status, self._capsys.readouterr().err


@pytest.fixture
def mmictl(address: str, capsys: pytest.CaptureFixture[str]) -> Mmictl:
    return Mmictl(address, capsys)


def on_call(bus: Bus, do: Callable[[Message], None]) -> None:
    """Do this with every call but a ping, which only asks whether somebody is there."""

    def take(message: Message) -> None:
        if message.member == "Ping":
            bus.send(Message.new_method_return(message, "", []))
        else:
            do(message)

    bus.on_call = take


@pytest.mark.parametrize("command", CALLING)
async def test_a_daemon_that_does_not_answer_is_not_waited_for_for_ever(
    mmictl: Mmictl, mmid: Bus, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "_CALL_TIMEOUT_S", 0.1)
    on_call(mmid, lambda _: None)
    status, complaint = await mmictl(command)
    assert status == 75
    assert "org.mmid1 did not answer" in complaint


@pytest.mark.parametrize("command", [*CALLING, "monitor"])
async def test_a_daemon_that_dies_in_the_middle_is_said_to_have_gone(
    mmictl: Mmictl, mmid: Bus, command: str
) -> None:
    leaving: set[asyncio.Task[None]] = set()

    def leave(_: Message) -> None:
        leaving.add(asyncio.create_task(mmid.close()))

    if command == "monitor":
        mmid.on_call = leave
    else:
        on_call(mmid, leave)
    status, complaint = await mmictl(command)
    assert status in {69, 75}
    assert "mmid has left the bus" in complaint or "disconnected" in complaint


@pytest.mark.parametrize("command", [*CALLING, "monitor"])
async def test_a_bus_that_goes_in_the_middle_is_said_to_have_gone(
    own_bus: PrivateBus, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    mmid = await Bus.connect(own_bus.address)
    await mmid.own_name(NAME)
    if command == "monitor":
        mmid.on_call = lambda _: own_bus.stop()
    else:
        on_call(mmid, lambda _: own_bus.stop())
    status, complaint = await Mmictl(own_bus.address, capsys)(command)
    await mmid.close()
    assert status == 69
    assert "the connection to the message bus was lost" in complaint


@pytest.mark.parametrize("nonsense", [[], ["nonsense"]], ids=["nothing", "text"])
@pytest.mark.parametrize("command", CALLING)
async def test_a_daemon_that_answers_nonsense_brings_no_traceback(
    mmictl: Mmictl, mmid: Bus, command: str, nonsense: list[str]
) -> None:
    signature = "s" * len(nonsense)

    def answer(call: Message) -> None:
        mmid.send(Message.new_method_return(call, signature, nonsense))

    on_call(mmid, answer)
    status, complaint = await mmictl(command)
    assert status in {0, 70, 75}
    assert complaint.startswith("mmictl: ") is (status != 0)
    assert "Traceback" not in complaint
