"""A pipe of the microphone over a real bus: the only file descriptor that mmid hands out."""

import os
from collections.abc import AsyncIterator

import pytest

from mmid.dbus.bus import Bus
from mmid.dbus.client import Client
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import AUDIO, NAME, PATH
from mmid.dbus.stream import close_descriptors
from mmid.dbus.wire import Message, MessageFlag
from mmid.errors import Busy
from tests.dbus.descriptors import Program, copies
from tests.dbus.private_bus import NotingApplication

OPEN = (NAME, PATH, AUDIO, "OpenMicrophone")


@pytest.fixture
async def program(address: str) -> AsyncIterator[Program]:
    bus = await Program.connect(address)
    assert isinstance(bus, Program)
    yield bus
    close_descriptors(bus.kept)
    await bus.close()


async def test_a_program_reads_the_pipe_and_mmid_keeps_no_copy_of_its_end(
    client: Client, application: NotingApplication, program: Program
) -> None:
    assert await program.call(*OPEN) == [0]
    [reader] = program.kept
    os.write(application.tap, b"hear")
    assert copies(reader) == 2, "the two ends: ours is closed"
    os.close(application.tap)
    assert os.read(reader, 100) == b"hear"
    assert os.read(reader, 100) == b""
    assert await application.next_call() == ("open_microphone", program.unique_name)
    assert await client.get(AUDIO, "Listeners") == [program.unique_name]
    assert await client.get(AUDIO, "ListenerDroppedBytes") == 0


async def test_the_application_is_told_when_a_listener_leaves_the_bus(
    application: NotingApplication, bus: Bus, client: Client
) -> None:
    await bus.call(*OPEN)
    name = bus.unique_name
    await bus.close()
    assert await application.next_call() == ("open_microphone", name)
    assert await application.next_call() == ("client_left", name)
    with pytest.raises(BrokenPipeError):
        os.write(application.tap, b"nobody")
    os.close(application.tap)


async def test_who_wants_no_answer_and_who_is_refused_leave_no_pipe_behind(
    application: NotingApplication, bus: Bus, client: Client
) -> None:
    bus.send(
        Message(*OPEN[:2], interface=OPEN[2], member=OPEN[3], flags=MessageFlag.NO_REPLY_EXPECTED)
    )
    await application.next_call()
    await client.get(AUDIO, "Volume")  # the call before it has been answered
    with pytest.raises(BrokenPipeError):
        os.write(application.tap, b"nobody")
    os.close(application.tap)
    application.error = Busy("4 taps on the microphone are open")
    with pytest.raises(CallFailed, match="4 taps") as caught:
        await bus.call(*OPEN)
    assert caught.value.name == "org.mmid1.Error.Busy"
    with pytest.raises(CallFailed, match="takes the signature ''"):
        await bus.call(*OPEN, "u", 3)
