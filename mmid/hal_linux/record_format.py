"""The framing of the device record: how a payload lies in a file or in flash.

All numbers are little-endian.

    offset  bytes  what
         0      4  magic: the ASCII letters "mmid"
         4      2  format version: 1
         6      2  length of the payload: 0 to 4096
         8      4  sequence number: 1 for the first record, one more for each that follows
        12      4  CRC-32 (zlib's) over bytes 0 to 11 and the payload
        16      n  the payload; what it means is not this format's business

Whatever lies behind the payload (the rest of a flash page) is ignored. A
record is kept in two copies; the valid one with the highest sequence number
counts. docs/record-format.md says the same for people without this code.

No I/O here: every kind of store frames its records with these two functions.
"""

import struct
import zlib
from dataclasses import dataclass

from mmid.errors import StorageFailed

__all__ = ["MAX_PAYLOAD_BYTES", "MAX_RECORD_BYTES", "Record", "decode", "encode"]

MAX_PAYLOAD_BYTES = 4096

_MAGIC = b"mmid"
_VERSION = 1
_HEAD = struct.Struct("<4sHHI")
_CRC = struct.Struct("<I")
_PAYLOAD_AT = _HEAD.size + _CRC.size

MAX_RECORD_BYTES = _PAYLOAD_AT + MAX_PAYLOAD_BYTES

# What flash and files hold before anything was written, or after a bad end.
_BLANK = (b"\x00", b"\xff")


@dataclass(frozen=True, slots=True)
class Record:
    """One valid record."""

    sequence: int
    payload: bytes


def encode(sequence: int, payload: bytes) -> bytes:
    """Return the bytes to store.

    Raises:
        StorageFailed: the payload is too long for the format.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise StorageFailed(
            f"the device record has {len(payload)} bytes, {MAX_PAYLOAD_BYTES} is the most"
        )
    head = _HEAD.pack(_MAGIC, _VERSION, len(payload), sequence)
    return head + _CRC.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def decode(data: bytes, where: str) -> Record | None:
    """Return the record at the start of ``data``, or None if it is damaged.

    Args:
        data: what was read, as much as there is.
        where: what it was read from, for messages.

    Raises:
        StorageFailed: it is no record of mmid at all, or one of a later
            format: in both cases it must not be overwritten.
    """
    magic = data[: len(_MAGIC)]
    if magic != _MAGIC[: len(magic)] and data.strip(_BLANK[0]) and data.strip(_BLANK[1]):
        raise StorageFailed(
            f"{where} holds something else than a device record of mmid, so it is left alone: "
            "point storage.target elsewhere, or move it away"
        )
    if len(data) < _PAYLOAD_AT:
        return None
    _, version, length, sequence = _HEAD.unpack_from(data)
    payload = data[_PAYLOAD_AT : _PAYLOAD_AT + length]
    (crc,) = _CRC.unpack_from(data, _HEAD.size)
    if len(payload) != length or crc != zlib.crc32(payload, zlib.crc32(data[: _HEAD.size])):
        return None
    if version != _VERSION:
        raise StorageFailed(
            f"{where} holds a device record of format {version}, this mmid knows {_VERSION}: "
            "install the mmid that wrote it, or a later one"
        )
    return Record(sequence, payload)
