import asyncio
import logging
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from mmid.dbus import bus as bus_module
from mmid.dbus import incoming
from mmid.dbus.bus import Bus
from mmid.dbus.failures import LIMITS_EXCEEDED, NO_REPLY, CallFailed
from mmid.dbus.interface import DBUS, STANDARD_ERRORS
from mmid.dbus.wire import Message, MessageFlag, Variant
from mmid.errors import BusFailed
from tests.dbus.private_bus import WAIT_S, PrivateBus


@pytest.fixture
async def other(address: str) -> AsyncIterator[Bus]:
    other = await Bus.connect(address)
    yield other
    await other.close()


def echo(bus: Bus) -> None:
    """Make a bus answer every call with its text."""

    def answer(call: Message) -> None:
        bus.send(Message.new_method_return(call, "s", call.body))

    bus.on_call = answer


def answer_with(bus: Bus, signature: str, value: object) -> None:
    """Make a bus answer every call with a value."""

    def answer(call: Message) -> None:
        bus.send(Message.new_method_return(call, signature, [value]))

    bus.on_call = answer


async def test_a_connection_has_a_unique_name(bus: Bus) -> None:
    assert bus.unique_name.startswith(":")


async def test_a_call_returns_what_the_other_side_returned(bus: Bus, other: Bus) -> None:
    echo(other)
    assert await bus.call(other.unique_name, "/a", "a.b", "Echo", "s", "你好") == ["你好"]


async def test_calls_that_cross_get_their_own_answers(bus: Bus, other: Bus) -> None:
    echo(other)
    texts = [str(number) for number in range(100)]
    calls = (bus.call(other.unique_name, "/a", "a.b", "Echo", "s", text) for text in texts)
    assert await asyncio.gather(*calls) == [[text] for text in texts]


async def test_an_error_reply_is_raised_with_its_name_and_text(bus: Bus) -> None:
    with pytest.raises(CallFailed, match=r"nobody\.here") as caught:
        await bus.call("nobody.here", "/a", "a.b", "C")
    assert caught.value.name == STANDARD_ERRORS + "ServiceUnknown"


async def test_a_call_that_is_never_answered_ends(
    bus: Bus, other: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "_CALL_TIMEOUT_S", 0.1)
    other.on_call = lambda _: None
    with pytest.raises(CallFailed) as caught:
        await bus.call(other.unique_name, "/a", "a.b", "C")
    assert caught.value.name == NO_REPLY


async def test_a_reply_with_what_newer_buses_tell_of_a_client_is_read(bus: Bus, other: Bus) -> None:
    told = {"ProcessFD": Variant("h", 0), "UnixGroupIDs": Variant("au", [1, 2])}
    answer_with(other, "a{sv}", told)
    [read] = await bus.call(other.unique_name, "/a", "a.b", "C")
    assert read["UnixGroupIDs"].value == [1, 2]
    assert read["ProcessFD"].value == 0


async def test_a_reply_that_cannot_be_read_ends_the_call_at_once(bus: Bus, other: Bus) -> None:
    deep = Variant("aas", [["x"]])
    answer_with(other, "v", deep)
    async with asyncio.timeout(WAIT_S):
        with pytest.raises(CallFailed, match="a variant must not have the type 'aas'"):
            await bus.call(other.unique_name, "/a", "a.b", "C")
    assert bus._awaited == {}


async def test_a_reply_that_comes_twice_or_for_nobody_is_dropped(bus: Bus, other: Bus) -> None:
    def answer_twice(call: Message) -> None:
        for text in ("first", "second"):
            other.send(Message.new_method_return(call, "s", [text]))

    other.on_call = answer_twice
    for _ in range(3):
        assert await bus.call(other.unique_name, "/a", "a.b", "C") == ["first"]
    assert bus._awaited == {}


async def test_a_connection_that_offers_nothing_refuses_calls(bus: Bus, other: Bus) -> None:
    with pytest.raises(CallFailed, match="offers no methods"):
        await bus.call(other.unique_name, "/a", "a.b", "C")


async def test_a_name_has_one_owner_and_the_second_learns_that_it_is_taken(
    bus: Bus, other: Bus
) -> None:
    await bus.own_name("org.example.One")
    await bus.own_name("org.example.One")
    with pytest.raises(BusFailed, match="another mmid is running"):
        await other.own_name("org.example.One")
    owners = await other.ask_bus("ListQueuedOwners", "s", "org.example.One")
    assert owners == [bus.unique_name]
    await bus.close()
    while await other.ask_bus("NameHasOwner", "s", "org.example.One"):
        pass
    await other.own_name("org.example.One")


async def test_a_name_that_the_policy_does_not_allow_is_refused(bus: Bus) -> None:
    with pytest.raises(BusFailed, match=r"does not let us own org\.freedesktop\.DBus"):
        await bus.own_name(DBUS)


async def test_a_call_that_is_too_long_is_refused_and_the_next_one_answered(
    bus: Bus, other: Bus
) -> None:
    echo(other)
    with pytest.raises(CallFailed) as caught:
        await bus.call(other.unique_name, "/a", "a.b", "Echo", "s", "x" * (3 * 1024 * 1024))
    assert caught.value.name == LIMITS_EXCEEDED
    assert await bus.call(other.unique_name, "/a", "a.b", "Echo", "s", "short") == ["short"]


async def test_a_flood_of_calls_leaves_the_loop_to_others(
    bus: Bus, other: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "CALLS_LIMIT", 2000)
    taken = 0
    turns_taken_at: list[int] = []

    def take(_: Message) -> None:
        nonlocal taken
        taken += 1

    other.on_call = take
    for _ in range(2000):
        bus.send(
            Message(
                destination=other.unique_name,
                path="/a",
                interface="a.b",
                member="C",
                flags=MessageFlag.NO_REPLY_EXPECTED,
            )
        )
    async with asyncio.timeout(WAIT_S):
        while taken < 2000:
            turns_taken_at.append(taken)
            await asyncio.sleep(0)
    steps = [after - before for before, after in pairwise(turns_taken_at)]
    assert max(steps) <= 2


async def test_a_client_that_calls_too_often_is_told_so_and_others_are_served(
    bus: Bus, other: Bus, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "CALLS_LIMIT", 10)
    echo(other)
    calls = [bus.call(other.unique_name, "/a", "a.b", "Echo", "s", "x") for _ in range(1000)]
    flood = asyncio.gather(*calls, return_exceptions=True)
    third = await Bus.connect(address)
    assert await third.call(other.unique_name, "/a", "a.b", "Echo", "s", "y") == ["y"]
    refused = [answer for answer in await flood if answer != ["x"]]
    assert refused
    assert {answer.name for answer in refused if isinstance(answer, CallFailed)} == {
        LIMITS_EXCEEDED
    }
    await third.close()


async def test_a_bus_that_stalls_costs_signals_but_neither_memory_nor_the_connection(
    own_bus: PrivateBus, caplog: pytest.LogCaptureFixture
) -> None:
    bus = await Bus.connect(own_bus.address)
    own_bus.freeze()
    for _ in range(5000):
        bus.send(Message.new_signal("/a", "a.b", "C", "s", ["x" * 1000]))
        await asyncio.sleep(0)
    assert bus.dropped > 1000
    assert bus._stream.unsent_bytes < 1024 * 1024 + 4096
    own_bus.thaw()
    assert await bus.ask_bus("NameHasOwner", "s", bus.unique_name) is True
    await bus.close()
    complaints = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(complaints) == 1


async def test_a_bus_that_dies_ends_waiting_and_every_open_call(own_bus: PrivateBus) -> None:
    bus = await Bus.connect(own_bus.address)
    other = await Bus.connect(own_bus.address)
    arrived = asyncio.Event()
    other.on_call = lambda _: arrived.set()
    call = asyncio.create_task(bus.call(other.unique_name, "/a", "a.b", "C"))
    await asyncio.wait_for(arrived.wait(), WAIT_S)
    own_bus.stop()
    with pytest.raises(BusFailed, match="lost"):
        await asyncio.wait_for(call, WAIT_S)
    with pytest.raises(BusFailed, match="the connection to the message bus was lost"):
        await asyncio.wait_for(bus.wait_lost(), WAIT_S)
    with pytest.raises(BusFailed, match="the bus is lost"):
        await bus.call(other.unique_name, "/a", "a.b", "C")
    await bus.close()
    await other.close()


async def test_closing_sends_what_waits_and_is_no_loss(own_bus: PrivateBus) -> None:
    bus = await Bus.connect(own_bus.address)
    other = await Bus.connect(own_bus.address)
    heard: asyncio.Queue[str] = asyncio.Queue()
    other.on_signal = lambda message: heard.put_nowait(message.member)
    await other.ask_bus("AddMatch", "s", "type='signal',interface='a.b'")
    assert await heard.get() == "NameAcquired"  # the bus's own, at Hello
    own_bus.freeze()
    for number in range(600):
        bus.send(Message.new_signal("/a", "a.b", f"Number{number}", "s", ["x" * 1000]))
    closing = asyncio.create_task(bus.close())
    await asyncio.sleep(0)
    own_bus.thaw()
    await asyncio.wait_for(closing, WAIT_S)
    await bus.close()
    await asyncio.wait_for(bus.wait_lost(), WAIT_S)
    names = [await asyncio.wait_for(heard.get(), WAIT_S) for _ in range(600)]
    assert names[-1] == "Number599"
    await other.close()


async def test_a_handler_that_breaks_ends_the_connection_with_its_reason(
    bus: Bus, other: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Message) -> None:
        raise KeyError("the reason")

    bus.on_signal = broken
    message = Message.new_signal("/a", "a.b", "C", "", [])
    message.destination = bus.unique_name
    other.send(message)
    with pytest.raises(BusFailed, match="the reason"):
        await asyncio.wait_for(bus.wait_lost(), WAIT_S)
    assert "the D-Bus reader failed" in caplog.text
