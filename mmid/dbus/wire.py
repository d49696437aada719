"""D-Bus messages to bytes and back: the one module that touches ``dbus_next``.

Of dbus-next only the messages and their reading are used; what writes them is
``marshal``, which says why. Its connection (``MessageBus``) and
its services are not, because of what they do when things go wrong: a bus that
stalls for a moment makes the writer treat EAGAIN as the connection's end, a bus
that closes during the handshake is read in an endless loop, a refused Hello
becomes our name, the queue of what waits to be sent has no end, handlers do
not learn who calls, and a handler's traceback is sent to the caller.

Pure: bytes in, messages out.
"""

from io import BytesIO
from struct import pack
from typing import Any

from dbus_next._private.unmarshaller import Unmarshaller
from dbus_next.constants import MessageFlag, MessageType
from dbus_next.message import Message
from dbus_next.signature import SignatureTree, Variant

from mmid.dbus.marshal import append, marshal, padding

__all__ = [
    "DESTINATION",
    "HEAD_BYTES",
    "SENDER",
    "Message",
    "MessageFlag",
    "MessageType",
    "Undecodable",
    "Variant",
    "asker",
    "body_bytes",
    "decode",
    "encode",
    "header_bytes",
    "plain",
    "serial",
    "texts",
    "variant",
    "wants_answer",
]

# The fixed part of a message: enough to know how long the rest is.
HEAD_BYTES = 16

# dbus-next keeps every signature it ever met. Clients choose them, so without a limit one
# client could fill our memory.
_SIGNATURES_KEPT = 256

# Fields of a header (D-Bus specification, "Header Fields") ...
_PATH, _INTERFACE, _MEMBER = 1, 2, 3
DESTINATION = 6
SENDER = 7
_SIGNATURE = 8
# ... and their types: the signature's length, it, and a NUL.
_TEXT_KINDS = {b"\x01s\0", b"\x01o\0"}
_SIGNATURE_KIND = b"\x01g\0"
_NUMBER_KIND = b"\x01u\0"
_FIELD_TYPES = {kind: SignatureTree(kind).types[0] for kind in "osgu"}
_SIGNAL = MessageType.SIGNAL.value
_CALL = MessageType.METHOD_CALL.value
_ASKING = {_CALL, _SIGNAL}
_NO_REPLY_EXPECTED = MessageFlag.NO_REPLY_EXPECTED.value


class Undecodable(ValueError):
    """A message cannot be read. Its frame was whole, so the next one can be."""


def header_bytes(head: bytes) -> int:
    """Return the length of what follows the head, up to the body."""
    return _aligned(_number(head, 12), 8)


def body_bytes(head: bytes) -> int:
    """Return the length of the body."""
    return _number(head, 4)


def serial(header: bytes) -> int:
    """Return the message's number, which a reply repeats."""
    return _number(header, 8)


def wants_answer(header: bytes) -> bool:
    """Return whether the message is a call whose sender waits for a reply."""
    return header[1] == _CALL and not header[2] & _NO_REPLY_EXPECTED


def asker(header: bytes) -> str | None:
    """Return who wants something of us alone; None if it is a reply or a broadcast."""
    if header[1] not in _ASKING:
        return None
    found = texts(header)
    return found.get(SENDER, "") if DESTINATION in found else None


def texts(header: bytes) -> dict[int, str]:
    """Return the texts in a header by the code of their field: ``SENDER`` and the others.

    For what must be known of a message before it is worth decoding: this takes
    a tenth of the time.

    Raises:
        Undecodable: there is a field of a type that no header has.
    """
    found: dict[int, str] = {}
    place, end = HEAD_BYTES, HEAD_BYTES + _number(header, 12)
    while place < end:
        place = _aligned(place, 8)
        code, kind = header[place], header[place + 1 : place + 4]
        place += 4
        if kind in _TEXT_KINDS:
            place = _aligned(place, 4)
            length = _number(header, place)
            found[code] = header[place + 4 : place + 4 + length].decode("utf-8", "replace")
            place += 4 + length + 1
        elif kind == _SIGNATURE_KIND:
            place += 1 + header[place] + 1
        elif kind == _NUMBER_KIND:
            place = _aligned(place, 4) + 4
        else:
            raise Undecodable(f"a header field {code} of the type {kind!r}")
    return found


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


def encode(message: Message, serial: int) -> bytes:
    """Return the message's bytes, and number it; forbidden texts as ``marshal`` sends them."""
    message.serial = serial
    fields = _fields(
        {
            _PATH: ("o", message.path),
            _INTERFACE: ("s", message.interface),
            _MEMBER: ("s", message.member),
            4: ("s", message.error_name),
            5: ("u", message.reply_serial),
            DESTINATION: ("s", message.destination),
            _SIGNATURE: ("g", message.signature),
            9: ("u", len(message.unix_fds or ())),
        }
    )
    kind, body = message.message_type.value, marshal(message.signature_tree.types, message.body)
    return _frame(kind, message.flags.value, fields, body, serial)


def _frame(kind: int, flags: int, fields: bytes, body: bytearray, serial: int) -> bytes:
    head = pack("<cBBBIII", b"l", kind, flags, 1, len(body), serial, len(fields))
    return b"".join((head, fields, padding(len(fields), 8), body))


def _fields(values: dict[int, tuple[str, Any]]) -> bytes:
    """Return header fields by their codes, without those that are empty."""
    fields = bytearray()
    for code, (kind, value) in values.items():
        if value:
            fields += padding(len(fields), 8)
            fields += bytes((code, 1, ord(kind), 0))  # the signature: its length, it, and a NUL
            append(fields, _FIELD_TYPES[kind], value)
    return bytes(fields)


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


def _aligned(place: int, size: int) -> int:
    return -(-place // size) * size


def _forget_signatures() -> None:
    cache = SignatureTree._cache  # noqa: SLF001 - it has no limit of its own
    if len(cache) > _SIGNATURES_KEPT:
        cache.clear()
