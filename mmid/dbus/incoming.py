"""Reads the next message from a bus, however long, strange or frequent it is.

What cannot be taken is skipped to its end, so the next message can be read.
What one client sends too often is dropped before it costs more than being
read: the messages of all clients wait in one line, so a flood from one would
keep the others waiting, and the sound card too on a small board.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable

from mmid.dbus import wire
from mmid.dbus.failures import LIMITS_EXCEEDED, CallFailed, standard
from mmid.dbus.stream import Stream, close_descriptors
from mmid.dbus.wire import Message, MessageType, Undecodable

# The longest text of a dialog is 1 MiB (the link's limit), and a signal brings it to a client; a
# board with 64 MiB cannot take the 32 MiB that the bus would let somebody send.
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
        message: the message, without its body.
        error: what its sender is told.
    """

    def __init__(self, message: Message, error: CallFailed) -> None:
        super().__init__(message, error)
        self.message = message
        self.error = error


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
    """What arrives on one connection.

    Args:
        stream: its bytes.
        admit: refuses with a ``CallFailed`` what need not be read further, given a message
            without its body and that one's length.
    """

    def __init__(self, stream: Stream, admit: Callable[[Message, int], None]) -> None:
        self._stream = stream
        self._admit = admit
        self._share = FairShare()

    async def next_message(self) -> Message:
        """Read one message; the file descriptors that came with it are in its ``unix_fds``.

        Raises:
            Undecodable: it is of a kind that nobody here knows.
            Refused: it is too long, one too many, or not wanted.
            EOFError, OSError: the connection has ended.
        """
        head = await self._stream.read(wire.HEAD_BYTES)
        header_bytes, body_bytes = wire.header_bytes(head), wire.body_bytes(head)
        if header_bytes > _HEADER_LIMIT:
            await self._skip(header_bytes + body_bytes)
            raise Undecodable(f"a header of {header_bytes} bytes")
        header = head + await self._stream.read(header_bytes)
        try:
            message = wire.read_header(header)
        except Undecodable:
            await self._skip(body_bytes)
            raise
        try:
            self._check(message, body_bytes)
        except CallFailed as error:
            await self._skip(body_bytes)
            raise Refused(message, error) from error
        try:
            wire.read_body(message, header, await self._stream.read(body_bytes))
        except Undecodable as error:
            close_descriptors(self._stream.take_descriptors())
            raise Refused(message, standard("InvalidArgs", str(error))) from error
        message.unix_fds = self._stream.take_descriptors()
        return message

    def _check(self, message: Message, body_bytes: int) -> None:
        """Refuse what is too long, and calls that one client sends too often."""
        if message.message_type is MessageType.METHOD_CALL:
            sender = message.sender
            if not sender:  # only a bus that is none passes such a thing on
                raise standard("InvalidArgs", "nobody calls")
            count = self._share.count(sender, time.monotonic())
            if count == CALLS_LIMIT + 1:
                _log.warning("%s calls too often; the rest of this second is refused", sender)
            if count > CALLS_LIMIT:
                text = f"more than {CALLS_LIMIT} calls within a second"
                raise CallFailed(LIMITS_EXCEEDED, text)
        if body_bytes > BODY_LIMIT:
            text = f"a message must not be longer than {BODY_LIMIT} bytes"
            raise CallFailed(LIMITS_EXCEEDED, text)
        self._admit(message, body_bytes)

    async def _skip(self, length: int) -> None:
        """Read past what is not taken, and close the descriptors that came with it."""
        while length:
            piece = min(length, _PIECE)
            await self._stream.read(piece)
            length -= piece
        close_descriptors(self._stream.take_descriptors())
