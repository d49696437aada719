"""Who may do what on a system bus with our policy: real users, a real bus."""

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from mmid import events
from mmid.dbus.bus import Bus
from mmid.dbus.failures import ACCESS_DENIED, CallFailed
from mmid.dbus.front import Front
from mmid.dbus.interface import (
    AUDIO,
    DEVICE,
    DIALOG,
    INTROSPECTABLE,
    NAME,
    PATH,
    PEER,
    PROPERTIES,
    TOOLS,
)
from mmid.dbus.stream import close_descriptors
from mmid.dbus.wire import Message, Variant
from mmid.errors import BusFailed, ToolFailed
from mmid.status import Status
from tests.dbus.descriptors import Program, copies
from tests.dbus.private_bus import NotingApplication
from tests.dbus.system_bus import KINDS, MEMBER, MMID, ROOT, STRANGER, SystemBus, User, acting_as

CALLS: list[tuple[str, str, str, list[Any]]] = [
    (DIALOG, "Interrupt", "", []),
    (DIALOG, "StartSpeech", "", []),
    (DIALOG, "StartSpeechWith", "a{sv}", [{"preroll_ms": Variant("u", 500)}]),
    (DIALOG, "ForgetInfo", "", []),
    (DIALOG, "Ask", "s", ["What time is it?"]),
    (DEVICE, "Register", "", []),
    (AUDIO, "PlayPrompt", "s", ["offline.wav"]),
    (TOOLS, "Register", "osss", ["/lamp", "lamp", "", ""]),
    (TOOLS, "Unregister", "s", ["lamp"]),
    (PROPERTIES, "GetAll", "s", [DIALOG]),
    (PROPERTIES, "Get", "ss", [DIALOG, "Voice"]),
    (PROPERTIES, "Get", "ss", [AUDIO, "Listeners"]),
    (PROPERTIES, "Set", "ssv", [AUDIO, "Volume", Variant("u", 7)]),
    (PROPERTIES, "Set", "ssv", [DIALOG, "Voice", Variant("s", "longanhuan")]),
    (INTROSPECTABLE, "Introspect", "", []),
    (PEER, "Ping", "", []),
]
each_call = pytest.mark.parametrize(
    "call", CALLS, ids=[f"{call[0].rpartition('.')[2]}.{call[1]}" for call in CALLS]
)

# Everything that a curious program might try to hear.
RULES = [
    "",
    "type='signal'",
    f"type='signal',sender='{NAME}'",
    f"type='signal',path='{PATH}'",
    f"interface='{DIALOG}'",
]


@pytest.fixture(scope="module", params=KINDS)
def system_bus(request: pytest.FixtureRequest) -> Iterator[SystemBus]:
    bus = SystemBus(request.param)
    yield bus
    bus.stop()


@pytest.fixture
async def front(
    system_bus: SystemBus, status: Status, application: NotingApplication
) -> AsyncIterator[Front]:
    """The service, as the unit runs it: as the user mmid."""
    with acting_as(MMID):
        front = await Front.open(system_bus.address, status, application)
    application.front = front
    application.registering.set()
    yield front
    await front.close()


@pytest.fixture
async def root(system_bus: SystemBus) -> AsyncIterator[Bus]:
    bus = await system_bus.connect(ROOT)
    yield bus
    await bus.close()


@pytest.fixture
async def member(system_bus: SystemBus) -> AsyncIterator[Bus]:
    bus = await system_bus.connect(MEMBER)
    yield bus
    await bus.close()


@pytest.fixture
async def stranger(system_bus: SystemBus) -> AsyncIterator[Bus]:
    bus = await system_bus.connect(STRANGER)
    yield bus
    await bus.close()


async def refusal(
    bus: Bus, interface: str, member: str, signature: str = "", *values: Any
) -> CallFailed:
    """Return the error that a call is answered with."""
    with pytest.raises(CallFailed) as caught:
        await bus.call(NAME, PATH, interface, member, signature, *values)
    return caught.value


@each_call
async def test_root_and_members_may_call(
    front: Front, root: Bus, member: Bus, call: tuple[str, str, str, list[Any]]
) -> None:
    interface, name, signature, values = call
    for bus in (root, member):
        await bus.call(NAME, PATH, interface, name, signature, *values)


@each_call
async def test_nobody_else_may_call_anything(
    front: Front,
    stranger: Bus,
    application: NotingApplication,
    call: tuple[str, str, str, list[Any]],
) -> None:
    interface, name, signature, values = call
    assert (await refusal(stranger, interface, name, signature, *values)).name == ACCESS_DENIED
    assert application.calls.empty()


def note(bus: Bus, names: list[str]) -> None:
    """Note the names of the signals that a connection hears."""
    bus.on_signal = lambda message: names.append(message.member)


async def test_root_and_members_hear_what_is_said_and_nobody_else_does(
    *, front: Front, status: Status, root: Bus, member: Bus, stranger: Bus
) -> None:
    heard: dict[Bus, list[str]] = {root: [], member: [], stranger: []}
    for bus, names in heard.items():
        note(bus, names)
        for rule in RULES:
            await bus.ask_bus("AddMatch", "s", rule)
    front.emit(events.AsrComplete("a secret"))
    front.emit(events.DisplayText("another secret"))
    status.update(dialog_id="another")
    # The answer follows the signals out of mmid, so the bus has passed them on.
    await root.call(NAME, PATH, PEER, "Ping")
    for bus in heard:
        await bus.ask_bus("GetId", "")
    told = ["AsrComplete", "DisplayText", "PropertiesChanged"]
    for bus in (root, member):
        assert [name for name in heard[bus] if name in told] == told
    assert set(told).isdisjoint(heard[stranger])


async def test_only_root_may_erase_the_record(
    front: Front, application: NotingApplication, root: Bus, member: Bus, stranger: Bus
) -> None:
    for bus in (member, stranger):
        refused = await refusal(bus, DEVICE, "Reset")
        assert refused.name == ACCESS_DENIED
        assert "only root may" not in str(refused)  # the bus says so, mmid is not even asked
    call = Message(destination=NAME, path=PATH, member="Reset")
    assert await answered(member, call) == ACCESS_DENIED
    assert application.calls.empty()
    await root.call(NAME, PATH, DEVICE, "Reset")
    assert await application.next_call() == ("reset",)


CARELESS = f"""
  <policy group="mmid">
    <allow send_destination="{NAME}" send_interface="{DEVICE}" send_member="Reset"/>
  </policy>
"""


async def test_mmid_itself_refuses_who_is_not_root_where_the_policy_was_made_careless(
    status: Status, application: NotingApplication
) -> None:
    careless = SystemBus("dbus-daemon", CARELESS)
    with acting_as(MMID):
        front = await Front.open(careless.address, status, application)
    buses = [await careless.connect(user) for user in (MEMBER, ROOT)]
    refused = await refusal(buses[0], DEVICE, "Reset")
    assert (refused.name, str(refused)) == (ACCESS_DENIED, "only root may erase the device record")
    assert application.calls.empty()
    await buses[1].call(NAME, PATH, DEVICE, "Reset")
    assert await application.next_call() == ("reset",)
    for bus in buses:
        await bus.close()
    await front.close()
    careless.stop()


async def answered(bus: Bus, call: Message) -> str:
    """Return the name of the error that a call without an interface is answered with."""
    reply = await bus._exchange(call)
    return str(reply.error_name)


async def test_a_stranger_cannot_speak_to_mmid_in_signals_either(
    front: Front, stranger: Bus, member: Bus
) -> None:
    heard: list[str] = []
    front._bus.admit = lambda *_: None  # it is the policy that is tried here
    note(front._bus, heard)
    for bus, name in ((stranger, "FromStranger"), (member, "FromMember")):
        signal = Message.new_signal(PATH, DIALOG, name, "", [])
        signal.destination = NAME
        bus.send(signal)
        await bus.ask_bus("GetId", "")
    await member.call(NAME, PATH, PEER, "Ping")
    assert "FromStranger" not in heard
    assert "FromMember" in heard


async def test_the_microphone_of_a_member_that_leaves_is_free_on_either_bus(
    front: Front, system_bus: SystemBus, application: NotingApplication
) -> None:
    holder = await system_bus.connect(MEMBER)
    await holder.call(NAME, PATH, DIALOG, "StartSpeech")
    assert await application.next_call() == ("start_speech", holder.unique_name)
    await holder.close()
    assert await application.next_call() == ("client_left", holder.unique_name)


async def test_an_image_comes_over_either_bus_and_no_descriptor_stays_open(
    front: Front, member: Bus, application: NotingApplication
) -> None:
    image = b"\xff\xd8\xff\xe0 a photograph"
    memory = os.memfd_create("image")
    try:
        os.write(memory, image)
        arguments = ("What?", "image/jpeg", 0)
        await member.call(
            NAME, PATH, DIALOG, "AskAboutImage", "ssh", *arguments, descriptors=[memory]
        )
        assert await application.next_call() == ("ask_about_image", "What?", image)
        assert copies(memory) == 1
    finally:
        os.close(memory)


async def test_a_member_hears_the_microphone_over_either_bus_and_a_stranger_does_not(
    front: Front, system_bus: SystemBus, stranger: Bus, application: NotingApplication
) -> None:
    refused = await refusal(stranger, AUDIO, "OpenMicrophone")
    assert refused.name == ACCESS_DENIED
    assert application.calls.empty()
    with acting_as(MEMBER):
        program = await Program.connect(system_bus.address)
    assert isinstance(program, Program)
    assert await program.call(NAME, PATH, AUDIO, "OpenMicrophone") == [0]
    [reader] = program.kept
    try:
        os.write(application.tap, b"hear")
        assert os.read(reader, 100) == b"hear"
    finally:
        close_descriptors([reader, application.tap])
    await program.close()


@pytest.mark.parametrize("user", [MEMBER, STRANGER], ids=lambda user: user.name)
async def test_nobody_else_may_take_the_name(system_bus: SystemBus, user: User) -> None:
    bus = await system_bus.connect(user)
    with pytest.raises(BusFailed, match="does not let us own"):
        await bus.own_name(NAME)
    await bus.close()


async def test_root_may_run_the_daemon_by_hand(root: Bus) -> None:
    await root.own_name(NAME)


def answering(bus: Bus) -> None:
    """Be a tool that says which method was called."""

    def answer(message: Message) -> None:
        bus.send(Message.new_method_return(message, "s", [f'"{message.interface}"']))

    bus.on_call = answer


async def test_the_daemon_calls_the_tools_of_root_and_members(
    front: Front, root: Bus, member: Bus
) -> None:
    for bus in (root, member):
        answering(bus)
        assert await front.call_tool(bus.unique_name, "/lamp", "lamp", "{}") == '"org.mmid1.Tool"'


async def test_the_daemon_calls_nothing_else_of_anybody(
    system_bus: SystemBus, front: Front, member: Bus, stranger: Bus
) -> None:
    answering(member)
    answering(stranger)
    with pytest.raises(ToolFailed):
        await front.call_tool(stranger.unique_name, "/lamp", "lamp", "{}")
    daemon = await system_bus.connect(MMID)
    for interface, method in (("org.mmid1.Tool", "Other"), ("org.example.Lamp", "Call")):
        with pytest.raises(CallFailed) as caught:
            await daemon.call(member.unique_name, "/lamp", interface, method)
        assert caught.value.name == ACCESS_DENIED
    await daemon.close()
