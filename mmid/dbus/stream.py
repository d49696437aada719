"""The bytes of one connection to a message bus, and the file descriptors that come with them.

asyncio's streams do the work. What they cannot do is descriptors: these travel
beside the bytes (SCM_RIGHTS, unix(7)), and a plain ``recv`` throws them away.
So the transport is given a socket that receives and sends with descriptors,
and notes how far in the stream each of them came. Every descriptor that came
is closed by whoever called ``take_descriptors``, or by ``close``.
"""

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

# The kernel's own limit for one message (SCM_MAX_FD).
_MOST_AT_ONCE = 253
# Descriptors that may be open and unread. A flood of them must not use up the
# process's table (RLIMIT_NOFILE is 1024); those over it are closed as they come.
_MOST_OPEN = 64
_SIZE = array.array("i").itemsize


def close_descriptors(descriptors: Iterable[int]) -> None:
    """Close file descriptors that came over a bus."""
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)


class _DescriptorSocket(socket.socket):
    """A unix socket that keeps the file descriptors that arrive with the bytes.

    Attributes:
        received: how many bytes have arrived.
        arrived: where in the stream descriptors came, and these.
        leaving: descriptors that go with the next bytes.
    """

    def __init__(self) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self.received = 0
        self.arrived: deque[tuple[int, list[int]]] = deque()
        self.leaving: list[int] = []

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        space = socket.CMSG_SPACE(_MOST_AT_ONCE * _SIZE)
        flags |= socket.MSG_CMSG_CLOEXEC
        data, ancillary, _, _ = self.recvmsg(size, space, flags)
        self.received += len(data)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._keep(content)
        return data

    def send(self, data: Any, *_: Any) -> int:
        return self.sendmsg([data])

    def sendmsg(self, buffers: Iterable[Any], *_: Any) -> int:
        if not self.leaving:
            return super().sendmsg(buffers)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self.leaving))
        sent = super().sendmsg(buffers, [rights])
        self.leaving = []
        return sent

    def _keep(self, content: bytes) -> None:
        descriptors = array.array("i", content[: len(content) - len(content) % _SIZE]).tolist()
        room = _MOST_OPEN - sum(len(kept) for _, kept in self.arrived)
        close_descriptors(descriptors[room:])
        # The kernel ends a read with the message that has descriptors: they
        # belong to the message that the last byte belongs to.
        if descriptors[:room]:
            self.arrived.append((self.received, descriptors[:room]))


class Stream:
    """A connection to a unix socket; ``await Stream.open(...)`` makes one."""

    def __init__(
        self,
        connection: _DescriptorSocket,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._writer = writer
        self._taken = 0
        self._passing = asyncio.Lock()

    @classmethod
    async def open(cls, name: str) -> "Stream":
        """Connect to a socket by its path, or by its abstract name after a NUL.

        Raises:
            OSError: nothing answers there.
        """
        connection = _DescriptorSocket()
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, name)
            reader, writer = await asyncio.open_unix_connection(sock=connection)
        except BaseException:
            connection.close()
            raise
        writer.transport.set_write_buffer_limits(0)  # drain waits until all is sent
        return cls(connection, reader, writer)

    @property
    def unsent_bytes(self) -> int:
        """How much waits because the other side does not read."""
        return self._writer.transport.get_write_buffer_size()

    async def read(self, count: int) -> bytes:
        """Read so many bytes; raises EOFError or OSError at the connection's end."""
        data = await self._reader.readexactly(count)
        self._taken += count
        return data

    async def read_line(self) -> bytes:
        """Read up to the next CR and LF; raises as ``read``, and LimitOverrunError."""
        line = await self._reader.readuntil(b"\r\n")
        self._taken += len(line)
        return line

    def take_descriptors(self) -> list[int]:
        """Return the descriptors that came with what was read so far; now they are the caller's."""
        taken: list[int] = []
        arrived = self._connection.arrived
        while arrived and arrived[0][0] <= self._taken:
            taken += arrived.popleft()[1]
        return taken

    def write(self, data: bytes) -> None:
        """Send, after all that was written before."""
        self._writer.write(data)

    async def write_with_descriptors(self, data: bytes, descriptors: Sequence[int]) -> None:
        """Send bytes with copies of file descriptors; the caller's stay open.

        Raises:
            OSError: the connection has ended.
        """
        async with self._passing:
            # They go with the first byte that is sent next: it must be of this message.
            while self.unsent_bytes:
                await self._writer.drain()
            try:
                self._connection.leaving = list(descriptors)
                self._writer.write(data)
                await self._writer.drain()
            finally:
                self._connection.leaving = []

    def close(self) -> None:
        """Send what still waits, then disconnect: ``wait_closed``. Safe to call again."""
        close_descriptors(one for _, kept in self._connection.arrived for one in kept)
        self._connection.arrived.clear()
        with suppress(OSError):
            self._writer.close()

    async def wait_closed(self, timeout_s: float) -> None:
        """Wait for the end of ``close``; cut the connection after the time-out."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._writer.wait_closed()
        except (TimeoutError, OSError):
            self._writer.transport.abort()
