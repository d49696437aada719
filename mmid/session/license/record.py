"""The device record: what must survive a power cut, as fields and as bytes.

The flags, their bits and the fields are the vendor SDK's (license section 6):
a set bit says that the field with that number follows. Layout of a payload,
all numbers big-endian::

    offset  size  meaning
    0       4     flags: bit N set when field N is present
    then, for each set bit in rising order:
            2     length of the value in bytes
            n     the value, UTF-8

Bits 0 to 6 are the vendor's; 8 and up are ours. A reader keeps fields whose
bit it does not know, so a record survives a downgrade of mmid.
"""

import struct
from dataclasses import field, replace
from typing import Any

from mmid.child import to_plain
from mmid.errors import StorageFailed
from mmid.frozen import frozen
from mmid.secrets import Secret
from mmid.session.license.messages import NO_SECRET, Unopened

_FLAGS = struct.Struct(">I")
_LENGTH = struct.Struct(">H")

# Bit -> the attribute whose text it is.
_TEXTS = {
    0: "app_id",
    1: "app_secret",
    2: "device_name",
    3: "nonce",
    4: "device_secret",
    5: "dialog_id",
    6: "workspace_id",
    12: "codec_state",
    13: "activated_name",
}
_SECRETS = ("app_secret", "device_secret", "codec_state")
_PENDING_NAME, _PENDING_NONCE, _PENDING_TIME = 8, 9, 10
_UNOPENED = 11
_KNOWN = frozenset({*_TEXTS, _PENDING_NAME, _PENDING_NONCE, _PENDING_TIME, _UNOPENED})

# AppId, DeviceName, Nonce, DeviceSecret: the vendor's test for "registered".
# AppSecret is not needed any more afterwards.
REGISTERED_FLAGS = 0x1D


# The longest answer in the vendor's logs has 403 bytes; a record has room for 4096 in all.
_UNOPENED_LIMIT = 2048

_DIGITS = 20  # of a time, with room to spare


@frozen
class Pending:
    """A registration that was sent, or was about to be; its answer is not stored yet.

    Attributes:
        device_name: the name that may be used up.
        nonce: nonce of the request, 26 hex digits.
        request_time_ms: time in the request, Unix ms.
    """

    device_name: str
    nonce: str
    request_time_ms: int


@frozen
class DeviceRecord:
    """Who this device is. Empty text means: not there.

    Attributes:
        pending: a registration whose answer is not stored yet.
        unopened: the answer to a registration that no codec could open yet.
        codec_state: what a vendor's codec keeps, the DeviceSecret within; hex.
        activated_name: the name that a cloud has activated this device by; another one would
            be another device there.
        unknown: fields of a later mmid, by their bit.
    """

    app_id: str = ""
    app_secret: Secret = NO_SECRET
    device_name: str = ""
    nonce: str = ""
    device_secret: Secret = NO_SECRET
    dialog_id: str = ""
    workspace_id: str = ""
    pending: Pending | None = None
    unopened: Unopened | None = None
    codec_state: Secret = NO_SECRET
    activated_name: str = ""
    unknown: dict[int, bytes] = field(default_factory=dict)

    @property
    def registered(self) -> bool:
        """Whether the license triple is complete, or in the keeping of a vendor's codec."""
        kept = self.codec_state and self.app_id and self.device_name
        return bool(kept) or self.flags & REGISTERED_FLAGS == REGISTERED_FLAGS

    @property
    def known_as(self) -> str:
        """The name that a cloud knows this device by: activated, else registered; may be empty."""
        return self.activated_name or self.device_name

    @property
    def flags(self) -> int:
        """The bit of each field that is there."""
        return sum(1 << number for number in self._fields())

    def with_triple(
        self, *, nonce: str, device_secret: Secret, codec_state: Secret = NO_SECRET
    ) -> "DeviceRecord":
        """Return the record after the registration was answered."""
        return replace(
            self,
            nonce=nonce,
            device_secret=device_secret,
            codec_state=codec_state,
            pending=None,
            unopened=None,
        )

    def with_unopened(self, unopened: Unopened) -> "DeviceRecord":
        """Return the record with an answer that cannot be opened yet.

        Raises:
            StorageFailed: it is longer than any answer.
        """
        if len(unopened.data) + len(unopened.codec_state.reveal()) > _UNOPENED_LIMIT:
            raise StorageFailed(f"the answer of {len(unopened.data)} characters is too long")
        return replace(self, unopened=unopened)

    def encode(self) -> bytes:
        """Return the payload for the store.

        Raises:
            StorageFailed: a field cannot be written in this form.
        """
        try:
            parts = [_FLAGS.pack(self.flags)]
            for _, value in sorted(self._fields().items()):
                parts += (_LENGTH.pack(len(value)), value)
        except (struct.error, UnicodeEncodeError):
            # The library's own words may quote the value, which may be a secret.
            raise StorageFailed(
                "the device record cannot hold a value: too long, or no text"
            ) from None
        return b"".join(parts)

    @classmethod
    def decode(cls, payload: bytes) -> "DeviceRecord":
        """Read a payload.

        Raises:
            StorageFailed: it is not a record; it is never guessed at.
        """
        try:
            fields = _split(payload)
            texts = {number: value.decode() for number, value in fields.items() if number in _KNOWN}
            time_ms = _number(texts.get(_PENDING_TIME, "0"))
            unopened = _read_unopened(texts[_UNOPENED]) if _UNOPENED in texts else None
        except (struct.error, UnicodeDecodeError):
            raise StorageFailed(
                "the device record is damaged: cut off, or a field is no text"
            ) from None
        except ValueError as error:
            raise StorageFailed(f"the device record is damaged: {error}") from None
        pending = None
        if _PENDING_NAME in texts:
            pending = Pending(texts[_PENDING_NAME], texts.get(_PENDING_NONCE, ""), time_ms)
        values: dict[str, Any] = {name: texts.get(bit, "") for bit, name in _TEXTS.items()}
        values |= {name: Secret(values[name]) for name in _SECRETS}
        unknown = {number: value for number, value in fields.items() if number not in _KNOWN}
        return cls(**values, pending=pending, unopened=unopened, unknown=unknown)

    def _fields(self) -> dict[int, bytes]:
        texts: dict[int, str] = {bit: to_plain(getattr(self, name)) for bit, name in _TEXTS.items()}
        if self.pending is not None:
            texts[_PENDING_NAME] = self.pending.device_name
            texts[_PENDING_NONCE] = self.pending.nonce
            texts[_PENDING_TIME] = str(self.pending.request_time_ms)
        if self.unopened is not None:
            texts[_UNOPENED] = _write_unopened(self.unopened)
        present = {number: text.encode() for number, text in texts.items() if text}
        return {**self.unknown, **present}


def _write_unopened(unopened: Unopened) -> str:
    """Five words; the last one, the answer, may hold spaces."""
    head = (unopened.device_name, unopened.nonce, unopened.request_time_ms)
    return " ".join(map(str, (*head, unopened.codec_state.reveal() or "-", unopened.data)))


def _read_unopened(text: str) -> Unopened:
    name, nonce, time_ms, state, data = text.split(" ", 4)
    return Unopened(name, nonce, _number(time_ms), data, Secret("" if state == "-" else state))


def _number(text: str) -> int:
    """Return a number; its error does not quote the text, as ``int`` does."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise ValueError("a time is no number")
    return int(text)


def _split(payload: bytes) -> dict[int, bytes]:
    (flags,) = _FLAGS.unpack_from(payload)
    offset, fields = _FLAGS.size, {}
    for number in range(32):
        if not flags >> number & 1:
            continue
        (length,) = _LENGTH.unpack_from(payload, offset)
        offset += _LENGTH.size
        value = payload[offset : offset + length]
        if len(value) != length:
            raise ValueError(f"field {number} is cut off")
        fields[number] = value
        offset += length
    if offset != len(payload):
        raise ValueError(f"{len(payload) - offset} bytes follow the last field")
    return fields
