import asyncio
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from mmid.dbus.bus import Bus
from mmid.dbus.client import Client
from mmid.dbus.front import Front
from mmid.dbus.interface import DBUS, DIALOG
from mmid.dbus.watch import ClientWatch
from mmid.dbus.wire import Message
from mmid.errors import NotTalking
from mmid.status import Status
from tests.dbus.private_bus import WAIT_S, NotingApplication


@pytest.fixture
async def other(address: str) -> AsyncIterator[Bus]:
    other = await Bus.connect(address)
    yield other
    await other.close()


@pytest.fixture
def gone() -> "asyncio.Queue[str]":
    return asyncio.Queue()


@pytest.fixture
async def watch(bus: Bus, gone: "asyncio.Queue[str]") -> AsyncIterator[ClientWatch]:
    watch = ClientWatch(bus, gone.put_nowait)
    yield watch
    await watch.close()


async def test_a_watched_client_that_leaves_is_told_once(
    watch: ClientWatch, gone: "asyncio.Queue[str]", bus: Bus, other: Bus
) -> None:
    watch.watch("talker", [other.unique_name])
    await bus.ask_bus("NameHasOwner", "s", other.unique_name)
    await other.close()
    assert await asyncio.wait_for(gone.get(), WAIT_S) == other.unique_name
    await bus.ask_bus("NameHasOwner", "s", other.unique_name)
    assert gone.empty()


async def test_each_of_those_that_hold_something_is_watched(
    watch: ClientWatch, gone: "asyncio.Queue[str]", bus: Bus, other: Bus
) -> None:
    watch.watch("tools", [other.unique_name, bus.unique_name])
    watch.watch("talker", [other.unique_name])
    watch.watch("talker", [])
    watch.watch("talker", [bus.unique_name])
    await bus.ask_bus("NameHasOwner", "s", other.unique_name)
    await other.close()
    assert await asyncio.wait_for(gone.get(), WAIT_S) == other.unique_name
    watch.watch("tools", [bus.unique_name])
    await bus.ask_bus("NameHasOwner", "s", other.unique_name)
    assert gone.empty()


async def test_a_client_that_left_before_it_was_watched_is_told(
    watch: ClientWatch, gone: "asyncio.Queue[str]", other: Bus
) -> None:
    await other.close()
    watch.watch("talker", [other.unique_name])
    assert await asyncio.wait_for(gone.get(), WAIT_S) == other.unique_name


async def test_a_client_that_is_no_longer_watched_may_leave(
    watch: ClientWatch, gone: "asyncio.Queue[str]", bus: Bus, other: Bus
) -> None:
    watch.watch("talker", [other.unique_name])
    watch.watch("talker", [])
    await other.close()
    while await bus.ask_bus("NameHasOwner", "s", other.unique_name):
        pass
    assert gone.empty()


async def test_a_client_that_left_while_it_was_let_go_is_not_told(
    watch: ClientWatch, gone: "asyncio.Queue[str]", other: Bus
) -> None:
    await other.close()
    watch.watch("talker", [other.unique_name])
    watch.watch("talker", [])
    await asyncio.gather(*watch._checks)
    assert gone.empty()


async def test_after_a_client_was_told_nobody_is_watched(
    watch: ClientWatch, gone: "asyncio.Queue[str]", other: Bus
) -> None:
    await other.close()
    for _ in range(2):
        watch.watch("talker", [other.unique_name])
        assert await asyncio.wait_for(gone.get(), WAIT_S) == other.unique_name


async def test_a_client_that_is_watched_again_costs_the_bus_nothing(
    watch: ClientWatch, gone: "asyncio.Queue[str]", bus: Bus, other: Bus
) -> None:
    watch.watch("talker", [other.unique_name])
    await asyncio.gather(*watch._checks)
    sent = bus._serial
    watch.watch("talker", [])
    watch.watch("talker", [other.unique_name])
    assert bus._serial == sent
    await other.close()
    assert await asyncio.wait_for(gone.get(), WAIT_S) == other.unique_name


async def test_one_client_at_most_is_followed(
    watch: ClientWatch, gone: "asyncio.Queue[str]", address: str, bus: Bus, other: Bus
) -> None:
    """A rule of the bus that is left behind wakes us for ever."""
    another = await Bus.connect(address)
    for client in (other, another, other):
        watch.watch("talker", [client.unique_name])
        watch.watch("talker", [])
    told: list[Message] = []
    hear = bus.on_signal

    def noting(message: Message) -> None:
        told.append(message)
        hear(message)

    bus.on_signal = noting
    await another.close()
    while await bus.ask_bus("NameHasOwner", "s", another.unique_name):
        pass
    assert told == []
    await other.close()
    while await bus.ask_bus("NameHasOwner", "s", other.unique_name):
        pass
    assert [message.body[0] for message in told] == [other.unique_name]
    assert gone.empty()


async def test_a_client_cannot_say_that_another_has_left(
    watch: ClientWatch, gone: "asyncio.Queue[str]", address: str, bus: Bus, other: Bus
) -> None:
    watch.watch("talker", [other.unique_name])
    liar = await Bus.connect(address)
    lie = Message.new_signal(
        "/org/freedesktop/DBus", DBUS, "NameOwnerChanged", "sss", [other.unique_name, "x", ""]
    )
    lie.destination = bus.unique_name
    liar.send(lie)
    await liar.ask_bus("NameHasOwner", "s", liar.unique_name)
    await bus.ask_bus("NameHasOwner", "s", other.unique_name)
    await liar.close()
    assert gone.empty()


async def test_the_holder_of_the_microphone_is_taken_off_when_it_disconnects(
    address: str, front: Front, application: NotingApplication, status: Status
) -> None:
    holder = await Client.connect(address)
    await holder.call(DIALOG, "StartSpeech")
    assert await application.next_call() == ("start_speech", holder.unique_name)
    assert status.talker == holder.unique_name
    await holder.close()
    assert await application.next_call() == ("client_left", holder.unique_name)
    assert status.talker == ""


async def test_another_client_that_leaves_is_none_of_our_business(
    address: str, client: Client, application: NotingApplication
) -> None:
    await client.call(DIALOG, "StartSpeech")
    other = await Client.connect(address)
    await other.call(DIALOG, "Interrupt")
    await other.close()
    await client.call(DIALOG, "StopSpeech")
    calls = [(await application.next_call())[0] for _ in range(3)]
    assert calls == ["start_speech", "interrupt", "stop_speech"]
    assert application.calls.empty()


HOLDER = f"""
import asyncio, sys
from mmid.dbus.client import Client
async def hold():
    client = await Client.connect(sys.argv[1])
    await client.call("{DIALOG}", "StartSpeech")
    print(client.unique_name, flush=True)
    await asyncio.sleep(60)
asyncio.run(hold())
"""


async def test_a_holder_that_is_killed_loses_the_microphone(
    address: str, front: Front, application: NotingApplication
) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, address, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    name = (await asyncio.wait_for(holder.stdout.readline(), WAIT_S)).decode().strip()
    assert await application.next_call() == ("start_speech", name)
    holder.send_signal(signal.SIGKILL)
    assert await application.next_call() == ("client_left", name)
    await holder.wait()


async def test_the_microphone_is_free_when_the_bus_tells_that_its_holder_was_killed(
    address: str, front: Front, application: NotingApplication, client: Client, bus: Bus
) -> None:
    """Not a moment later: whoever hears it too, and calls then, finds it free."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, address, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    name = (await asyncio.wait_for(holder.stdout.readline(), WAIT_S)).decode().strip()
    assert await client.get(DIALOG, "Talker") == name
    left: asyncio.Queue[Message] = asyncio.Queue()
    bus.on_signal = left.put_nowait
    rule = f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{name}'"
    await bus.ask_bus("AddMatch", "s", rule)
    holder.send_signal(signal.SIGKILL)
    async with asyncio.timeout(WAIT_S):
        while (await left.get()).member != "NameOwnerChanged":
            pass
    assert await client.get(DIALOG, "Talker") == ""
    await holder.wait()


async def test_an_application_that_has_taken_the_microphone_already_is_no_trouble(
    address: str, front: Front, application: NotingApplication, client: Client
) -> None:
    holder = await Client.connect(address)
    await holder.call(DIALOG, "StartSpeech")
    await application.next_call()
    application.error = NotTalking("nobody holds it")
    await holder.close()
    assert await application.next_call() == ("client_left", holder.unique_name)
    assert await client.get(DIALOG, "Talker") == ""
