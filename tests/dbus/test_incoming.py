import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mmid.dbus import wire
from mmid.dbus.incoming import BODY_LIMIT, TooLong, next_message
from mmid.dbus.stream import Stream
from mmid.dbus.wire import Message, Undecodable
from tests.dbus.private_bus import WAIT_S

PLAIN = wire.encode(Message.new_signal("/a", "a.b", "Plain", "s", ["x"]), 1)


@pytest.fixture
async def ends(tmp_path: Path) -> AsyncIterator[tuple[Stream, socket.socket]]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        stream = await Stream.open(str(tmp_path / "s"))
        connection, _ = listener.accept()
    with connection:
        yield stream, connection
        stream.close()
        await stream.wait_closed(WAIT_S)


async def sent(connection: socket.socket, data: bytes) -> None:
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_sendall(connection, data)


async def test_a_body_at_the_limit_is_read_and_a_longer_one_is_skipped(
    ends: tuple[Stream, socket.socket],
) -> None:
    stream, connection = ends
    for room, fits in ((BODY_LIMIT - 5, True), (BODY_LIMIT - 4, False)):
        message = Message.new_signal("/a", "a.b", "Long", "s", ["x" * room])
        sending = asyncio.create_task(sent(connection, wire.encode(message, 2) + PLAIN))
        if fits:
            assert (await next_message(stream)).member == "Long"
        else:
            with pytest.raises(TooLong) as caught:
                await next_message(stream)
            assert (caught.value.message.member, caught.value.message.body) == ("Long", [])
        assert (await next_message(stream)).member == "Plain"
        await sending


async def test_a_header_that_no_name_needs_is_skipped(ends: tuple[Stream, socket.socket]) -> None:
    stream, connection = ends
    message = Message.new_signal("/" + "a" * 1_000_000, "a.b", "Long", "", [])
    sending = asyncio.create_task(sent(connection, wire.encode(message, 2) + PLAIN))
    with pytest.raises(Undecodable, match="a header of 1000"):
        await next_message(stream)
    assert (await next_message(stream)).member == "Plain"
    await sending


async def test_an_undecodable_message_does_not_leave_its_descriptors_to_the_next(
    ends: tuple[Stream, socket.socket],
) -> None:
    stream, connection = ends
    unknown = bytearray(PLAIN)
    unknown[1] = 77
    socket.send_fds(connection, [bytes(unknown)], [connection.fileno()])
    await sent(connection, PLAIN)
    with pytest.raises(Undecodable):
        await next_message(stream)
    assert (await next_message(stream)).unix_fds == []
