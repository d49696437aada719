"""Messages as the bus passes them on: with the name of who sent them."""

from mmid.dbus import wire
from mmid.dbus.wire import HEAD_BYTES, Message


def passed_on(message: Message, serial: int, sender: str) -> bytes:
    """Return a message's bytes."""
    message.sender = sender
    return wire.encode(message, serial)


def decode(frame: bytes) -> Message:
    """Read one whole message."""
    body_at = HEAD_BYTES + wire.header_bytes(frame)
    message = wire.read_header(frame[:body_at])
    wire.read_body(message, frame[:body_at], frame[body_at:])
    return message
