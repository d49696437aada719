"""Values to bytes, as D-Bus lays them out (D-Bus specification, "Marshalling"), little-endian.

A signature is taken apart once, into one function for each of its types; dbus-next
walks it three times for every message, and signals are a large part of what a
turn costs. Values are trusted to be of their types: they are our own. Pure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any

__all__ = ["append", "marshal", "padding"]

# Far more than the contract has; only our own messages are written.
_SIGNATURES_KEPT = 128

# Each is aligned to its own size.
_NUMBERS = {
    "y": Struct("<B"),
    "b": Struct("<I"),
    "n": Struct("<h"),
    "q": Struct("<H"),
    "i": Struct("<i"),
    "u": Struct("<I"),
    "h": Struct("<I"),
    "x": Struct("<q"),
    "t": Struct("<Q"),
    "d": Struct("<d"),
}
_LENGTH = _NUMBERS["u"]

# What else begins at a multiple of something; the rest begins anywhere.
_ALIGNMENT = {"s": 4, "o": 4, "a": 4, "(": 8, "{": 8}

_PADDING = tuple(bytes(count) for count in range(8))

Write = Callable[[bytearray, Any], None]


def marshal(signature: str, values: Sequence[Any]) -> bytearray:
    """Return the values one after the other; see ``append``."""
    out = bytearray()
    append(out, signature, values)
    return out


def append(out: bytearray, signature: str, values: Sequence[Any]) -> None:
    """Add values to what begins at a multiple of 8.

    Args:
        out: what comes before.
        signature: the types of the values.
        values: as dbus-next gives them: a structure is a list, a variant has
            ``signature`` and ``value``. What D-Bus forbids in a text is replaced:
            a NUL makes the bus drop the connection, half a surrogate pair is
            nothing in UTF-8.
    """
    for write, value in zip(_writers(signature), values, strict=True):
        write(out, value)


def padding(place: int, size: int) -> bytes:
    """Return what is missing from a place to the next multiple of a size, at most 8."""
    return _PADDING[-place % size]


@lru_cache(_SIGNATURES_KEPT)
def _writers(signature: str) -> tuple[Write, ...]:
    return tuple(_writer(kind) for kind in _types(signature))


def _types(signature: str) -> Iterator[str]:
    """Yield the complete types of a signature."""
    place = 0
    while place < len(signature):
        end = _end(signature, place)
        yield signature[place:end]
        place = end


def _end(signature: str, place: int) -> int:
    """Return where the type that begins at a place ends."""
    if signature[place] == "a":
        return _end(signature, place + 1)
    if signature[place] not in "({":
        return place + 1
    place += 1
    while signature[place] not in ")}":
        place = _end(signature, place)
    return place + 1


def _writer(kind: str) -> Write:
    """Return what writes a complete type."""
    match kind[0]:
        case "s" | "o":
            return _write_text
        case "g":
            return _write_signature
        case "v":
            return _write_variant
        case "a":
            return _array(kind[1:])
        case "(" | "{":
            return _structure(kind[1:-1])
        case number:
            return _number(_NUMBERS[number])


def _number(form: Struct) -> Write:
    size, pack = form.size, form.pack

    def write(out: bytearray, value: float) -> None:
        out += padding(len(out), size)
        out += pack(value)

    return write


def _structure(members: str) -> Write:
    writers = _writers(members)

    def write(out: bytearray, value: Sequence[Any]) -> None:
        out += padding(len(out), 8)
        for write_member, member in zip(writers, value, strict=True):
            write_member(out, member)

    return write


def _array(kind: str) -> Write:
    """Return what writes an array; that of bytes is written whole, a dictionary by its pairs."""
    (write_item,) = _writers(kind)
    number = _NUMBERS.get(kind)
    alignment = number.size if number else _ALIGNMENT.get(kind[0], 1)

    def write(out: bytearray, value: Any) -> None:
        out += padding(len(out), 4)
        length_at = len(out)
        out += _LENGTH.pack(0)
        out += padding(len(out), alignment)
        start = len(out)
        if kind == "y":
            out += value
        else:
            for item in value.items() if isinstance(value, Mapping) else value:
                write_item(out, item)
        _LENGTH.pack_into(out, length_at, len(out) - start)

    return write


def _write_text(out: bytearray, value: str) -> None:
    data = value.encode("utf-8", "replace")
    if b"\0" in data:
        data = data.replace(b"\0", "\N{REPLACEMENT CHARACTER}".encode())
    out += padding(len(out), 4)
    out += _LENGTH.pack(len(data))
    out += data
    out.append(0)


def _write_signature(out: bytearray, value: str) -> None:
    out.append(len(value))
    out += value.encode("ascii")
    out.append(0)


def _write_variant(out: bytearray, value: Any) -> None:
    _write_signature(out, value.signature)
    (write,) = _writers(value.signature)
    write(out, value.value)
