import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mmid.dbus import incoming as incoming_module
from mmid.dbus import wire
from mmid.dbus.incoming import BODY_LIMIT, CALLS_LIMIT, FairShare, Incoming, Refused
from mmid.dbus.stream import Stream
from mmid.dbus.wire import Message, MessageType, Undecodable
from tests.dbus.frames import passed_on
from tests.dbus.private_bus import WAIT_S

PLAIN = wire.encode(Message.new_signal("/a", "a.b", "Plain", "s", ["x"]), 1)


@pytest.fixture
async def ends(tmp_path: Path) -> AsyncIterator[tuple[Incoming, socket.socket]]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        stream = await Stream.open(str(tmp_path / "s"))
        connection, _ = listener.accept()
    with connection:
        yield Incoming(stream, lambda *_: None), connection
        stream.close()
        await stream.wait_closed(WAIT_S)


async def sent(connection: socket.socket, data: bytes) -> None:
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_sendall(connection, data)


async def test_a_body_at_the_limit_is_read_and_a_longer_one_is_skipped(
    ends: tuple[Incoming, socket.socket],
) -> None:
    incoming, connection = ends
    for room, fits in ((BODY_LIMIT - 5, True), (BODY_LIMIT - 4, False)):
        message = Message.new_signal("/a", "a.b", "Long", "s", ["x" * room])
        sending = asyncio.create_task(sent(connection, wire.encode(message, 2) + PLAIN))
        if fits:
            assert (await incoming.next_message()).member == "Long"
        else:
            with pytest.raises(Refused, match="longer than 2097152 bytes") as caught:
                await incoming.next_message()
            assert caught.value.message.serial == 2
        assert (await incoming.next_message()).member == "Plain"
        await sending


async def test_a_header_that_no_name_needs_is_skipped(ends: tuple[Incoming, socket.socket]) -> None:
    incoming, connection = ends
    message = Message.new_signal("/" + "a" * 1_000_000, "a.b", "Long", "", [])
    sending = asyncio.create_task(sent(connection, wire.encode(message, 2) + PLAIN))
    with pytest.raises(Undecodable, match="a header of 1000"):
        await incoming.next_message()
    assert (await incoming.next_message()).member == "Plain"
    await sending


async def test_an_undecodable_message_does_not_leave_its_descriptors_to_the_next(
    ends: tuple[Incoming, socket.socket],
) -> None:
    incoming, connection = ends
    unknown = bytearray(PLAIN)
    unknown[1] = 77
    socket.send_fds(connection, [bytes(unknown)], [connection.fileno()])
    await sent(connection, PLAIN)
    with pytest.raises(Undecodable):
        await incoming.next_message()
    assert (await incoming.next_message()).unix_fds == []


def call(sender: str, serial: int) -> bytes:
    return passed_on(Message(destination=":1.1", path="/a", member="C"), serial, sender)


async def test_calls_of_one_client_over_its_share_are_refused_and_those_of_others_taken(
    ends: tuple[Incoming, socket.socket],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incoming_module, "_WINDOW_S", 1000.0)
    incoming, connection = ends
    flood = b"".join(call(":1.66", serial + 1) for serial in range(CALLS_LIMIT + 20))
    sending = asyncio.create_task(sent(connection, flood + call(":1.7", 5)))
    refused, sender = [], ""
    while sender != ":1.7":
        try:
            sender = str((await incoming.next_message()).sender)
        except Refused as error:
            refused.append((error.message.sender, error.message.serial))
    await sending
    assert refused == [(":1.66", CALLS_LIMIT + 1 + count) for count in range(20)]
    assert len([record for record in caplog.records if ":1.66" in record.getMessage()]) == 1


async def test_broadcasts_and_replies_may_come_as_they_like(
    ends: tuple[Incoming, socket.socket],
) -> None:
    incoming, connection = ends
    reply = Message(message_type=MessageType.METHOD_RETURN, destination=":1.1", reply_serial=3)
    sending = asyncio.create_task(sent(connection, (PLAIN + wire.encode(reply, 4)) * 400))
    for _ in range(800):
        await incoming.next_message()
    await sending


def test_the_share_is_counted_for_each_client_and_each_second() -> None:
    share = FairShare()
    assert [share.count(":1.1", 0.5) for _ in range(3)] == [1, 2, 3]
    assert share.count(":1.2", 0.6) == 1
    assert share.count(":1.1", 1.4) == 4
    assert share.count(":1.1", 1.5) == 1
