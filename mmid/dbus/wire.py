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

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from operator import attrgetter
from struct import pack
from typing import Any

from dbus_next._private.unmarshaller import Unmarshaller
from dbus_next.constants import MessageFlag, MessageType
from dbus_next.message import Message
from dbus_next.signature import SignatureTree, Variant
from dbus_next.validators import assert_bus_name_valid

from mmid.dbus.marshal import append, marshal, padding

__all__ = [
    "HEAD_BYTES",
    "Message",
    "MessageFlag",
    "MessageType",
    "Undecodable",
    "Variant",
    "body_bytes",
    "encode",
    "header_bytes",
    "pairs",
    "plain",
    "read_body",
    "read_header",
    "variant",
    "wants_answer",
]

# The fixed part of a message: enough to know how long the rest is.
HEAD_BYTES = 16

# The fields of a header by their codes (D-Bus specification, "Header Fields"): what each is
# in a Message, and its type.
_FIELDS = {
    1: ("path", "o"),
    2: ("interface", "s"),
    3: ("member", "s"),
    4: ("error_name", "s"),
    5: ("reply_serial", "u"),
    6: ("destination", "s"),
    7: ("sender", "s"),
    8: ("signature", "g"),
    9: ("unix_fds", "u"),
}

# Signatures that were read. dbus-next itself keeps every one that it ever met, and others choose
# them: any client could fill our memory.
_tree = lru_cache(maxsize=64)(SignatureTree)
_TYPES = {kind: _tree(kind).types[0] for kind in "osgu"}

# In the order of their codes, but for the last one, which is a list in a Message.
_fields_of = attrgetter(*(name for name, _ in list(_FIELDS.values())[:-1]))

# What may stand in a variant. Clients set properties, which are of simple types; what the bus and
# mmid tell of themselves has lists and tables, too, and newer buses name a client's process by
# a descriptor. Anything deeper would only cost time.
_IN_CALLS = frozenset("ybnqiuxtdsog")
_IN_OTHERS = _IN_CALLS | {f"a{kind}" for kind in _IN_CALLS} | {"a{sv}", "h"}


class Undecodable(ValueError):
    """A message cannot be read. Its frame was whole, so the next one can be."""


def header_bytes(head: bytes) -> int:
    """Return the length of what follows the head, up to the body."""
    return _aligned(_number(head, 12), 8)


def body_bytes(head: bytes) -> int:
    """Return the length of the body."""
    return _number(head, 4)


def wants_answer(message: Message) -> bool:
    """Return whether the message is a call whose sender waits for a reply."""
    called = message.message_type is MessageType.METHOD_CALL and message.sender
    return bool(called) and not message.flags & MessageFlag.NO_REPLY_EXPECTED


def read_header(data: bytes) -> Message:
    """Return a message without its body, which may not be worth reading.

    Raises:
        Undecodable: it is of a kind that this side does not know, or broken.
    """
    try:
        fields = _read_fields(data)
        fields.pop("unix_fds", None)
        message = Message(
            message_type=MessageType(data[1]),
            flags=MessageFlag(data[2]),
            serial=_number(data, 8),
            **fields | {"signature": _tree(fields.get("signature", ""))},
        )
        if message.sender is not None:
            assert_bus_name_valid(message.sender)  # an answer goes there, and is checked then
    except Exception as error:  # whatever the library stumbles over, it is one message
        raise Undecodable(f"{error!r} in a header of {len(data)} bytes") from error
    if not message.serial:
        raise Undecodable("the message has no number")
    return message


def read_body(message: Message, data: bytes, body: bytes) -> None:
    """Read a message's body into it.

    Args:
        message: what ``read_header`` made.
        data: what that made it of.
        body: what follows.

    Raises:
        Undecodable: it is not what the header says, or holds a variant that nobody needs.
    """
    try:
        reader = _Reader(BytesIO(body))  # type: ignore[no-untyped-call]
        reader.endian = data[0]
        if message.message_type is MessageType.METHOD_CALL:
            reader.variants = _IN_CALLS
        message.body = [reader.read_argument(kind) for kind in message.signature_tree.types]  # type: ignore[no-untyped-call]
    except Undecodable:
        raise
    except Exception as error:
        kind = type(error).__name__  # the library's words quote a text, and so what people say
        raise Undecodable(f"{kind} in a body of {len(body)} bytes") from error


class _Reader(Unmarshaller):
    """Reads values one after the other, from a place that is a multiple of 8."""

    variants = _IN_OTHERS

    def read_variant(self, _: Any = None) -> Variant:
        signature = self.read_signature()  # type: ignore[no-untyped-call]
        if signature not in self.variants:
            raise Undecodable(f"a variant must not have the type {signature[:40]!r} here")
        tree = _tree(signature)
        return Variant(tree, self.read_argument(tree.types[0]))  # type: ignore[no-untyped-call]


def _read_fields(data: bytes) -> dict[str, Any]:
    if data[3] != 1:
        raise Undecodable(f"the protocol's version is {data[3]}")
    found: dict[str, Any] = {}
    place, end = HEAD_BYTES, HEAD_BYTES + _number(data, 12)
    while place < end:
        place = _aligned(place, 8)
        # The code, the type's signature (its length, it, and a NUL), and the value.
        code, length, token = data[place : place + 3]
        # A newer bus may tell more, of the same few types: that is passed over, as it shall be.
        name, expected = _FIELDS.get(code, ("", chr(token)))
        if (length, token) != (1, ord(expected)) or expected not in _TYPES:
            raise Undecodable(f"the field {name} has another type")
        place += 4
        if expected == "g":
            number, place = data[place], place + 1
        else:
            place = _aligned(place, 4)
            number, place = _number(data, place), place + 4
        if expected == "u":
            found[name] = number
        else:
            found[name] = data[place : place + number].decode()
            place += number + 1
    if place > end:
        raise Undecodable("a text is longer than it")
    found.pop("", None)
    return found


def encode(message: Message, serial: int) -> bytes:
    """Return the message's bytes, and number it; forbidden texts as ``marshal`` sends them."""
    message.serial = serial
    fields = _header_fields(*_fields_of(message), len(message.unix_fds or ()))
    body = marshal(message.signature_tree.types, message.body)
    numbers = (message.message_type.value, message.flags, 1, len(body), serial, len(fields))
    head = pack("<cBBBIII", b"l", *numbers)
    return b"".join((head, fields, padding(len(fields), 8), body))


@lru_cache(maxsize=64)
def _header_fields(*values: str | int | None) -> bytes:
    """Return the fields of a header. Kept, for those of a signal are the same each time."""
    fields = bytearray()
    for (code, (_, kind)), value in zip(_FIELDS.items(), values, strict=True):
        if value:
            fields += padding(len(fields), 8)
            fields += bytes((code, 1, ord(kind), 0))  # the signature: its length, it, and a NUL
            append(fields, _TYPES[kind], value)
    return bytes(fields)


def pairs(values: Sequence[tuple[str, str, Any]]) -> bytes:
    """Return a dictionary of variants (``a{sv}``) as bytes, which may be sent in its place.

    Args:
        values: the key of each, its type and its value.
    """
    kind = _tree("a{sv}").types[0].children[0]
    made = [(key, variant(signature, value)) for key, signature, value in values]
    return bytes(marshal([kind] * len(made), made))


# Counters of 32 bits, as the contract has them.
_SHORT = {"images"}


def variant(signature: str, value: Any) -> Variant:
    """Return the value as a variant; in a dictionary of variants the type of each tells its own.

    A whole number there is unsigned: a time or a counter of 64 bits, but for ``_SHORT``.
    """
    if signature == "a{sv}":
        types: dict[type, str] = {str: "s", float: "d", int: "t"}
        value = {
            key: Variant("u" if key in _SHORT else types[type(item)], item)
            for key, item in value.items()
        }
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
