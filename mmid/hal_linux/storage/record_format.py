"""The framing of the device record: how a payload lies in a file or in flash.

docs/record-format.md has every byte of it, also for people without this code. Version 1
is a plain payload; version 2, written only where a flag is set, has a word of flags
before the body. A record is kept in two copies; the valid one with the highest sequence
number counts.

No I/O here: every kind of store frames its records with these functions.
"""

import struct
import zlib
from enum import IntFlag

from mmid.errors import StorageFailed
from mmid.frozen import frozen

MAX_PAYLOAD_BYTES = 4096
# By how much sealing makes a payload longer: nonce and tag.
SEALING_BYTES = 12 + 16

_MAGIC = b"mmid"
_PLAIN, _FLAGGED = 1, 2  # format versions
_HEAD = struct.Struct("<4sHHI")  # magic, format version, length of the body, sequence number
_WORD = struct.Struct("<I")  # the CRC, or the flags
_CRC_AT = _HEAD.size
_REST_AT = _CRC_AT + _WORD.size

MAX_RECORD_BYTES = _REST_AT + _WORD.size + MAX_PAYLOAD_BYTES + SEALING_BYTES

LAST_SEQUENCE = 2**32 - 1


class Flag(IntFlag):
    """What a record of version 2 says of itself."""

    SEALED = 1
    ERASED = 2


NO_FLAGS = Flag(0)
_KNOWN_FLAGS = 0b11


class ForeignContent(StorageFailed):
    """What lies there was not written by this mmid."""


@frozen
class Record:
    """One valid record; ``body`` is the payload, or what it was sealed to."""

    sequence: int
    body: bytes
    flags: Flag = NO_FLAGS

    @property
    def sealed(self) -> bool:
        """Whether the body has to be unsealed."""
        return Flag.SEALED in self.flags

    @property
    def erased(self) -> bool:
        """Whether it says that there is no record."""
        return Flag.ERASED in self.flags

    @property
    def header(self) -> bytes:
        """What is authenticated together with a sealed payload: all before the body but the CRC."""
        return _head(self.sequence, len(self.body), self.flags) + _WORD.pack(self.flags)

    @property
    def payload_bytes(self) -> int:
        """How long the payload is, without unsealing it."""
        return len(self.body) - (SEALING_BYTES if self.sealed else 0)


def encode(sequence: int, body: bytes, flags: Flag = NO_FLAGS) -> bytes:
    """Return the bytes to store.

    Raises:
        StorageFailed: the body is too long for the format, or the numbers are used up.
    """
    longest = MAX_PAYLOAD_BYTES + (SEALING_BYTES if Flag.SEALED in flags else 0)
    if len(body) > longest:
        raise StorageFailed(f"the device record has {len(body)} bytes, {longest} is the most")
    head = _head(sequence, len(body), flags)
    rest = (_WORD.pack(flags) if flags else b"") + body
    return head + _WORD.pack(zlib.crc32(rest, zlib.crc32(head))) + rest


def decode(data: bytes, where: str) -> Record | None:
    """Return the record at the start of ``data``, or None if it is damaged.

    Args:
        data: what was read, as much as there is.
        where: what it was read from, for messages.

    Raises:
        ForeignContent: it is no record of mmid at all, or a sound one of a later
            format: in both cases it must not be overwritten.
    """
    if not begins_as_record(data) and not is_blank(data):
        raise ForeignContent(
            f"{where} holds something else than a device record of mmid, so it is left alone: "
            "point storage.target elsewhere, or move it away"
        )
    if len(data) < _REST_AT:
        return None
    # The CRC first, which lies where it is in every version: a damaged version or flag
    # must not be taken for a later format.
    _, version, length, sequence = _HEAD.unpack_from(data)
    body_at = _REST_AT if version == _PLAIN else _REST_AT + _WORD.size
    end = body_at + length
    (crc,) = _WORD.unpack_from(data, _CRC_AT)
    if len(data) < end or crc != zlib.crc32(data[_REST_AT:end], zlib.crc32(data[:_CRC_AT])):
        return None
    flags = 0 if version == _PLAIN else _WORD.unpack_from(data, _REST_AT)[0]
    if version not in (_PLAIN, _FLAGGED) or flags & ~_KNOWN_FLAGS:
        raise ForeignContent(
            f"{where} holds a device record of format {version}, flags {flags:#x}, which this "
            "mmid does not know: install the mmid that wrote it, or a later one"
        )
    return Record(sequence, data[body_at:end], Flag(flags))


def begins_as_record(data: bytes) -> bool:
    """Whether the data, which may be cut short, starts with the magic."""
    magic = data[: len(_MAGIC)]
    return magic == _MAGIC[: len(magic)]


def is_blank(data: bytes) -> bool:
    """Whether this is what flash and disks hold before anything was written."""
    first = data[:1]
    return first in (b"", b"\x00", b"\xff") and data.count(first) == len(data)


def is_first_write_cut_short(data: bytes) -> bool:
    """Whether the power went while ``INITIAL_BYTES`` were written to a blank medium.

    Some bytes of them, perhaps one that was not finished, and nothing behind: no
    device was ever registered with that.
    """
    lengths = range(len(INITIAL_BYTES), 0, -1)
    written = next((n for n in lengths if data.startswith(INITIAL_BYTES[:n])), 0)
    unfinished, behind = data[written : written + 1], data[written + 1 :]
    # Programming flash clears bits: a byte that is half written has its own bits and more.
    first = INITIAL_BYTES[0]
    begun = written > 0 or unfinished in (b"", b"\x00") or unfinished[0] & first == first
    return begun and set(behind) <= {0x00, 0xFF}


def _head(sequence: int, length: int, flags: Flag) -> bytes:
    if sequence > LAST_SEQUENCE:
        raise StorageFailed("the sequence number of the device record cannot go on; erase it")
    return _HEAD.pack(_MAGIC, _FLAGGED if flags else _PLAIN, length, sequence)


# What a new medium gets in both places before its first record, so that from then on
# a power cut always finds one sound copy: a record that says "erased".
INITIAL = Record(1, b"", Flag.ERASED)
INITIAL_BYTES = encode(INITIAL.sequence, INITIAL.body, INITIAL.flags)
