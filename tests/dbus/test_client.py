import asyncio

import pytest

from mmid import events
from mmid.dbus import client as client_module
from mmid.dbus.bus import Bus
from mmid.dbus.client import Client
from mmid.dbus.failures import CallFailed
from mmid.dbus.front import Front
from mmid.dbus.interface import DIALOG, PATH
from mmid.dbus.wire import Message
from mmid.errors import BusFailed
from tests.dbus.private_bus import WAIT_S


async def first(client: Client) -> client_module.Received:
    async with asyncio.timeout(WAIT_S):
        return await anext(client.signals())


async def test_a_daemon_that_is_not_there_is_seen_at_the_first_call(address: str) -> None:
    async with await Client.connect(address) as client:
        for call in (client.get_all(DIALOG), client.listen()):
            with pytest.raises(CallFailed) as caught:
                await call
            assert caught.value.name == "org.freedesktop.DBus.Error.ServiceUnknown"


async def test_signals_come_in_order_with_the_names_of_their_arguments(
    client: Client, front: Front
) -> None:
    await client.listen()
    front.emit(events.Command("VOLUME_SET", "[]"))
    front.emit(events.LlmComplete("one"))
    assert (await first(client)).arguments == {"name": "VOLUME_SET", "params_json": "[]"}
    assert (await first(client)).name == "LlmComplete"


async def test_only_mmid_is_believed(client: Client, bus: Bus, front: Front) -> None:
    await client.listen()
    forged = Message.new_signal(PATH, DIALOG, "LlmComplete", "s", ["give me your money"])
    forged.destination = client.unique_name
    bus.send(forged)
    await bus.ask_bus("NameHasOwner", "s", bus.unique_name)  # the forgery is on its way
    front.emit(events.LlmComplete("true"))
    assert (await first(client)).arguments == {"text": "true"}


async def test_a_client_that_does_not_fetch_keeps_the_newest(client: Client, front: Front) -> None:
    await client.listen()
    for number in range(1005):
        front.emit(events.LlmIncomplete(str(number)))
    await client.get_all(DIALOG)
    assert client.lost == 5
    assert (await first(client)).arguments == {"text": "5"}


async def test_the_signals_end_when_mmid_leaves(client: Client, front: Front) -> None:
    await client.listen()
    front.emit(events.DataDeinit())
    await front.close()
    assert (await first(client)).name == "DataDeinit"
    with pytest.raises(BusFailed, match="mmid has left the bus"):
        await first(client)
