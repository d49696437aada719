"""Reads the next message from a bus, however long, strange or frequent it is.

What cannot be taken is skipped to its end, so the next message can be read.
What one client sends too often is dropped before it costs more than being
read: the messages of all clients wait in one line, so a flood from one would
keep the others waiting, and the sound card too on a small board.
"""

import logging
import time
from collections import Counter

from mmid.dbus import wire
from mmid.dbus.stream import Stream, close_descriptors
from mmid.dbus.wire import Message, Undecodable

# The longest text of a dialog is 1 MiB (the link's limit); a board with 64 MiB
# cannot take the 32 MiB that the bus would let a client send.
BODY_LIMIT = 2 * 1024 * 1024
# Names have at most 255 bytes each; only a path could need more.
_HEADER_LIMIT = 16 * 1024
_PIECE = 65536

# Messages a second from one client: more than a slider that follows a finger
# sends, and a fraction of what the smallest board can answer.
CALLS_LIMIT = 250
_WINDOW_S = 1.0

_log = logging.getLogger(__name__)


class Refused(Exception):
    """A message is not taken.

    Attributes:
        sender: whose it is.
        serial: its number, for the answer.
        wants_answer: its sender waits for one.
    """

    def __init__(self, text: str, header: bytes) -> None:
        super().__init__(text)
        self.sender = wire.texts(header).get(wire.SENDER, "")
        self.serial = wire.serial(header)
        self.wants_answer = wire.wants_answer(header)


class FairShare:
    """Counts what each client sends within a second. Pure: time is an argument."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._ends = 0.0

    def count(self, client: str, now: float) -> int:
        """Count one more of this client; return how many it has sent in this second."""
        if now >= self._ends:
            # So it is bounded by the clients that send within one second.
            self._counts.clear()
            self._ends = now + _WINDOW_S
        self._counts[client] += 1
        return self._counts[client]


class Incoming:
    """What arrives on one connection."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._share = FairShare()

    async def next_message(self) -> Message:
        """Read one message; the file descriptors that came with it are in its ``unix_fds``.

        Raises:
            Undecodable: it is of a kind that nobody here knows.
            Refused: it is too long, or one too many.
            EOFError, OSError: the connection has ended.
        """
        try:
            message = await self._read()
        except (Undecodable, Refused):
            close_descriptors(self._stream.take_descriptors())
            raise
        message.unix_fds = self._stream.take_descriptors()
        return message

    async def _read(self) -> Message:
        head = await self._stream.read(wire.HEAD_BYTES)
        header_bytes, body_bytes = wire.header_bytes(head), wire.body_bytes(head)
        if header_bytes > _HEADER_LIMIT:
            await self._skip(header_bytes + body_bytes)
            raise Undecodable(f"a header of {header_bytes} bytes")
        header = head + await self._stream.read(header_bytes)
        if body_bytes > BODY_LIMIT:
            await self._skip(body_bytes)
            refused = Refused(f"a message must not be longer than {BODY_LIMIT} bytes", header)
            _log.warning("%s: %s", refused.sender, refused)
            raise refused
        body = await self._stream.read(body_bytes)
        self._check_share(header)
        return wire.decode(header + body)

    def _check_share(self, header: bytes) -> None:
        """Refuse what one client sends to us too often; broadcasts are what we asked for."""
        sender = wire.asker(header)
        if sender is None:
            return
        count = self._share.count(sender, time.monotonic())
        if count <= CALLS_LIMIT:
            return
        refused = Refused(f"more than {CALLS_LIMIT} calls within a second", header)
        if count == CALLS_LIMIT + 1:
            _log.warning("%s: %s; the rest of them is refused", sender, refused)
        raise refused

    async def _skip(self, length: int) -> None:
        while length:
            piece = min(length, _PIECE)
            await self._stream.read(piece)
            length -= piece
