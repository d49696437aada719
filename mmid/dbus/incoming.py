"""Reads the next message from a bus, however long or strange it is.

What cannot be taken is skipped to its end, so the next message can be read.
"""

from mmid.dbus import wire
from mmid.dbus.stream import Stream, close_descriptors
from mmid.dbus.wire import Message, Undecodable

__all__ = ["BODY_LIMIT", "TooLong", "next_message"]

# The longest text of a dialog is 1 MiB (the link's limit); a board with 64 MiB
# cannot take the 32 MiB that the bus would let a client send.
BODY_LIMIT = 2 * 1024 * 1024
# Names have at most 255 bytes each; only a path could need more.
_HEADER_LIMIT = 16 * 1024
_PIECE = 65536


class TooLong(Exception):
    """A message has a body that is too long to keep.

    Args:
        message: all of it but the body.
    """

    def __init__(self, message: Message) -> None:
        super().__init__(f"a message must not be longer than {BODY_LIMIT} bytes")
        self.message = message


async def next_message(stream: Stream) -> Message:
    """Read one message; the file descriptors that came with it are in its ``unix_fds``.

    Raises:
        Undecodable: it is of a kind that nobody here knows.
        TooLong: it is too long to keep.
        EOFError, OSError: the connection has ended.
    """
    try:
        message = await _read(stream)
    except (Undecodable, TooLong):
        close_descriptors(stream.take_descriptors())
        raise
    message.unix_fds = stream.take_descriptors()
    return message


async def _read(stream: Stream) -> Message:
    head = await stream.read(wire.HEAD_BYTES)
    header_bytes, body_bytes = wire.header_bytes(head), wire.body_bytes(head)
    if header_bytes > _HEADER_LIMIT:
        await _skip(stream, header_bytes + body_bytes)
        raise Undecodable(f"a header of {header_bytes} bytes")
    header = head + await stream.read(header_bytes)
    if body_bytes > BODY_LIMIT:
        await _skip(stream, body_bytes)
        raise TooLong(wire.decode_header(header))
    return wire.decode(header + await stream.read(body_bytes))


async def _skip(stream: Stream, length: int) -> None:
    while length:
        piece = min(length, _PIECE)
        await stream.read(piece)
        length -= piece
