"""D-Bus messages to bytes and back: the one module that touches ``dbus_next``.

Of dbus-next only the marshalling is used. Its connection (``MessageBus``) and
its services are not, because of what they do when things go wrong: a bus that
stalls for a moment makes the writer treat EAGAIN as the connection's end, a bus
that closes during the handshake is read in an endless loop, a refused Hello
becomes our name, the queue of what waits to be sent has no end, handlers do
not learn who calls, and a handler's traceback is sent to the caller.

Pure: bytes in, messages out.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from dbus_next._private.unmarshaller import Unmarshaller
from dbus_next.constants import MessageFlag, MessageType
from dbus_next.message import Message
from dbus_next.signature import SignatureTree, Variant

__all__ = [
    "HEAD_BYTES",
    "Message",
    "MessageFlag",
    "MessageType",
    "Undecodable",
    "Variant",
    "body_bytes",
    "decode",
    "decode_header",
    "encode",
    "header_bytes",
    "plain",
    "sendable",
    "variant",
]

# The fixed part of a message: enough to know how long the rest is.
HEAD_BYTES = 16

# dbus-next keeps every signature it ever met; clients choose them.
_SIGNATURES_KEPT = 256


class Undecodable(ValueError):
    """A message cannot be read. Its frame was whole, so the next one can be."""


def header_bytes(head: bytes) -> int:
    """Return the length of what follows the head, up to the body."""
    return -(-_number(head, 12) // 8) * 8


def body_bytes(head: bytes) -> int:
    """Return the length of the body."""
    return _number(head, 4)


def decode(frame: bytes) -> Message:
    """Read one whole message.

    Raises:
        Undecodable: it is of a kind this side does not know.
    """
    _forget_signatures()
    try:
        unmarshaller = Unmarshaller(BytesIO(frame))  # type: ignore[no-untyped-call]
        message: Message | None = unmarshaller.unmarshall()  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever the library stumbles over, it is one message
        raise Undecodable(f"{error!r} in a message of {len(frame)} bytes") from error
    if message is None:
        raise Undecodable(f"a message of {len(frame)} bytes is shorter than it says")
    return message


def decode_header(frame: bytes) -> Message:
    """Read a message whose body is too long to keep, without it: ``body`` is empty."""
    return decode(frame[:4] + bytes(4) + frame[8:])


def encode(message: Message, serial: int) -> bytes:
    """Return the message's bytes.

    Texts are made sendable first: a NUL in a string makes the bus drop the
    connection, and half a surrogate pair cannot be encoded at all.
    """
    message.serial = serial
    message.body = [sendable(value) for value in message.body]
    return bytes(message._marshall(negotiate_unix_fd=True))  # type: ignore[no-untyped-call]  # noqa: SLF001


def sendable(value: Any) -> Any:
    """Return the value with every text in it as D-Bus allows it."""
    if isinstance(value, str):
        text = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        return text.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Variant):
        return Variant(value.signature, sendable(value.value))
    if isinstance(value, dict):
        return {sendable(key): sendable(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [sendable(item) for item in value]
    return value


def variant(signature: str, value: Any) -> Variant:
    """Return the value as a variant; in a dictionary of variants the type of each tells its own.

    A whole number there is 64 bits and unsigned: a time, or a counter.
    """
    if signature == "a{sv}":
        types = {key: "s" if isinstance(item, str) else "t" for key, item in value.items()}
        value = {key: Variant(types[key], item) for key, item in value.items()}
    return Variant(signature, value)


def plain(value: Any) -> Any:
    """Return the value without the wrapping of variants."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _number(head: bytes, offset: int) -> int:
    return int.from_bytes(head[offset : offset + 4], "little" if head[:1] == b"l" else "big")


def _forget_signatures() -> None:
    cache = SignatureTree._cache  # noqa: SLF001 - it has no limit of its own
    if len(cache) > _SIGNATURES_KEPT:
        cache.clear()
