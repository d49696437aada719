"""A WebSocket connection that hands messages on as they arrive, and takes in no more than it may.

websockets keeps frames in a queue and wakes a task for each message. Here a message goes straight
from the parser to whoever reads, and waits only while nobody does. Only ``link`` uses this.
"""

import asyncio
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections import deque
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import CloseCode, Frame, Opcode

# So many messages wait, or one that is large, before the socket is not read any more: the
# back-pressure that ends at the cloud. Audio messages have about 8000 bytes as a rule.
_QUEUED_MESSAGES = 4
_LARGE_BYTES = 1 << 16

# The kernel must not hide stale speech either: it holds half a second of
# 16 kHz speech beyond what is in flight.
UNSENT_BYTES = 16384

# A peer that does not acknowledge what was sent for so long is gone; without
# this the kernel would try for a quarter of an hour.
_UNACKNOWLEDGED_MS = 15_000

# A cloud that said goodbye, or was told it, has so long to close TCP.
CLOSE_S = 0.5

# Bounds of what an honest cloud never comes near. The smallest frame has two bytes and becomes
# an object of 300, and websockets makes objects of all that it is given before it looks at one:
# so it gets no more at once than a TLS record may hold.
_PIECE_BYTES = 16384
_MOST_FRAGMENTS = 4096  # of one message
_MOST_FRAMES = 4096  # in one read, with the messages that wait
_MOST_PINGS = 1000  # and pongs, in one read, or while the cloud reads none of our answers

# asyncio keeps a buffer of 256 KiB for what one read may bring, all of it written to and so in
# memory, as long as the connection lives. This is any TLS record and its neighbour.
SSLProtocol.max_size = 2 * _PIECE_BYTES

# Gets a message; returns whether the next one may come.
Take = Callable[[str | bytes], bool]


class BoundedConnection(ClientConnection):
    """A connection that a hostile cloud cannot fill our memory through, as websockets lets it.

    Attributes:
        ssl_object: of the transport, which forgets it when it is closed.
        on_writable: called when the network, which took no more, takes frames again.
    """

    ssl_object: ssl.SSLObject
    _end: asyncio.TimerHandle | None = None
    _frames = _pings = 0
    _is_text = _paused = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._fragments: list[Any] = []  # of the message that is not whole yet
        self._messages: deque[str | bytes] = deque()  # nobody took them yet
        self._take: Take = lambda _: False
        self._taking: asyncio.Future[bool] | None = None  # pending while ``_take`` wants more
        self.on_writable: Callable[[], None] = lambda: None

    async def receive(self, take: Take) -> None:
        """Hand each message to ``take`` the moment it is there, until that wants no other.

        Raises:
            ConnectionClosed: the connection has ended, and all that came was taken.
        """
        while True:
            while self._messages:
                if not take(self._messages.popleft()):
                    return
            if self.connection_lost_waiter.done():
                raise self.protocol.close_exc
            if self._paused:
                self._paused = False
                self.transport.resume_reading()
            self._take, self._taking = take, self.loop.create_future()
            if not await self._taking:
                return

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the transport what we need of it: once it was closed twice, it raises."""
        self.ssl_object = transport.get_extra_info("ssl_object")
        _tune(transport.get_extra_info("socket"))
        super().connection_made(transport)

    def resume_writing(self) -> None:
        """Let whoever sends go on: the network has taken what waited."""
        super().resume_writing()
        self.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the reader see that it is over."""
        super().connection_lost(exc)
        if self._taking is not None and not self._taking.done():
            self._taking.set_result(True)

    def data_received(self, data: bytes) -> None:
        """Take in what arrived, piece by piece."""
        if (
            self._pings
            and not self.transport.is_closing()
            and self.transport.get_write_buffer_size() <= UNSENT_BYTES
        ):
            self._pings = 0
        self._frames = len(self._messages)
        for at in range(0, len(data), _PIECE_BYTES):
            if self.protocol.handshake_exc is not None:
                return  # it was no upgrade; websockets raises EOFError over what still comes
            super().data_received(data[at : at + _PIECE_BYTES])
        if self._end is None and self.protocol.close_expected():
            # The cloud, which is to close TCP now, may never do so; websockets would wait.
            self._end = self.loop.call_later(CLOSE_S, self.transport.abort)

    def process_event(self, event: Any) -> None:
        """Take a frame of a message; leave the others to websockets, as long as they are few."""
        if not isinstance(event, Frame):
            super().process_event(event)  # the answer to the upgrade
        elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._frame_received(event)
        else:
            super().process_event(event)
            self._pings += 1
            if self._pings > _MOST_PINGS:
                self._refuse(f"more than {_MOST_PINGS} pings at once")

    def _frame_received(self, frame: Frame) -> None:
        self._frames += 1
        self._fragments.append(frame.data)
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        if len(self._fragments) > _MOST_FRAGMENTS:
            self._refuse(f"a message in more than {_MOST_FRAGMENTS} fragments")
        elif self._frames > _MOST_FRAMES:
            self._refuse(f"more than {_MOST_FRAMES} small frames at once")
        elif frame.fin:
            data = b"".join(self._fragments)
            self._fragments.clear()
            try:
                message = data.decode() if self._is_text else data
            except UnicodeDecodeError as error:
                why = f"{error.reason} at position {error.start}"
                self.protocol.fail(CloseCode.INVALID_DATA, why)
                self.send_data()
            else:
                self._hand_on(message)

    def _hand_on(self, message: str | bytes) -> None:
        """Give a message to whoever reads; while nobody does, keep it."""
        if self._taking is None or self._taking.done():
            self._messages.append(message)
            enough = len(self._messages) >= _QUEUED_MESSAGES or len(message) > _LARGE_BYTES
            if enough and not self._paused:
                self._paused = True
                self.transport.pause_reading()
            return
        try:
            wants_more = self._take(message)
        except Exception as error:  # noqa: BLE001 - it ends the reader, not the connection
            self._taking.set_exception(error)
        else:
            if not wants_more:
                self._taking.set_result(False)

    def _refuse(self, why: str) -> None:
        self.protocol.fail(CloseCode.POLICY_VIOLATION, why)
        self.transport.abort()  # it would not read a close frame either


def _tune(sock: socket.socket | None) -> None:
    if sock is None:
        return
    options = (
        (socket.TCP_NODELAY, 1),
        (socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES),
        (socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS),
    )
    for option, value in options:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
