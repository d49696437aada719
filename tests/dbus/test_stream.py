import asyncio
import fcntl
import socket
from array import array
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mmid.dbus.stream import Stream, close_descriptors
from tests.dbus.descriptors import copies
from tests.dbus.private_bus import WAIT_S

RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)


class Peer:
    """The other end of a stream, as a plain socket that blocks for moments only."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, data: bytes, *descriptors: int) -> None:
        rights = [(*RIGHTS, array("i", descriptors))] if descriptors else []
        assert self.connection.sendmsg([data], rights) == len(data)


@pytest.fixture
async def ends(tmp_path: Path) -> AsyncIterator[tuple[Stream, Peer]]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        stream = await Stream.open(str(tmp_path / "s"))
        connection, _ = listener.accept()
    with connection:
        yield stream, Peer(connection)
        stream.close()
        await stream.wait_closed(WAIT_S)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A file descriptor whose copies are counted by ``copies``."""
    with (tmp_path / "file").open("wb") as opened:
        yield opened.fileno()


async def test_descriptors_belong_to_the_bytes_they_came_with(
    ends: tuple[Stream, Peer], file: int
) -> None:
    stream, peer = ends
    peer.send(b"plain")
    peer.send(b"one", file)
    peer.send(b"plain")
    peer.send(b"two", file, file)
    assert await stream.read(5) == b"plain"
    assert stream.take_descriptors() == []
    assert await stream.read(3) == b"one"
    first = stream.take_descriptors()
    await stream.read(5)
    assert stream.take_descriptors() == []
    await stream.read(3)
    second = stream.take_descriptors()
    assert (len(first), len(second), copies(file)) == (1, 2, 4)
    close_descriptors(first + second)
    assert copies(file) == 1


async def test_a_descriptor_is_not_inherited_by_children(
    ends: tuple[Stream, Peer], file: int
) -> None:
    stream, peer = ends
    peer.send(b"x", file)
    await stream.read(1)
    [descriptor] = stream.take_descriptors()
    assert fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    close_descriptors([descriptor])


async def test_descriptors_that_nobody_takes_are_limited_and_closed_at_the_end(
    ends: tuple[Stream, Peer], file: int
) -> None:
    stream, peer = ends
    for _ in range(10):
        # No more at a time: an ordinary user may have 1024 descriptors on the way.
        for _ in range(20):
            peer.send(b"x", *[file] * 10)
        await stream.read(20)
    peer.send(b"the end")
    assert 64 <= copies(file) - 1 <= 64 + 10
    await stream.read(7)
    stream.close()
    assert copies(file) == 1


async def test_what_was_dropped_does_not_shift_descriptors_to_other_messages(
    ends: tuple[Stream, Peer], file: int
) -> None:
    stream, peer = ends
    for _ in range(20):
        peer.send(b"x", *[file] * 10)
    await stream.read(20)
    assert len(stream.take_descriptors()) >= 60
    peer.send(b"y", file)
    await stream.read(1)
    assert len(stream.take_descriptors()) == 1


async def test_descriptors_go_with_their_own_bytes_even_when_others_wait(
    ends: tuple[Stream, Peer], file: int
) -> None:
    stream, peer = ends
    stream.write(b"x" * 2_000_000)
    assert stream.unsent_bytes
    passing = [
        asyncio.create_task(stream.write_with_descriptors(data, [file] * count))
        for data, count in ((b"first", 1), (b"second", 2))
    ]
    received, found = b"", []
    while len(received) < 2_000_000 + 11:
        await asyncio.sleep(0)
        try:
            data, ancillary, _, _ = peer.connection.recvmsg(65536, 1024, socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
        received += data
        for _, _, content in ancillary:
            descriptors = array("i", content).tolist()
            close_descriptors(descriptors)
            found.append((len(descriptors), data.endswith((b"first", b"second"))))
    await asyncio.wait_for(asyncio.gather(*passing), WAIT_S)
    assert found == [(1, True), (2, True)]


async def test_passing_a_descriptor_to_who_has_gone_is_an_error_and_no_hang(
    ends: tuple[Stream, Peer], file: int
) -> None:
    stream, peer = ends
    peer.connection.close()

    async def pass_some() -> None:
        for _ in range(3):
            await stream.write_with_descriptors(b"x", [file])

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(pass_some(), WAIT_S)


async def test_lines_and_bytes_are_read_in_turn(ends: tuple[Stream, Peer]) -> None:
    stream, peer = ends
    peer.send(b"OK\r\nrest")
    assert await stream.read_line() == b"OK\r\n"
    assert await stream.read(4) == b"rest"


async def test_nobody_at_the_socket_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Stream.open(str(tmp_path / "nothing"))
