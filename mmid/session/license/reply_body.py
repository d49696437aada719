"""The body of a license service's HTTP answer: kept as text, and read as JSON.

A relay may compress it unasked, begin it with a byte order mark or use another
charset. The answer to a registration comes once, so none of that may lose it.
"""

import base64
import json
import zlib
from contextlib import suppress

from mmid.secrets import redact
from mmid.session.license.messages import BODY_LIMIT

# How gzip and zlib ("deflate" in HTTP) begin; no JSON begins so.
_COMPRESSED = (b"\x1f\x8b", b"\x78")
_ANY_ZLIB = 47  # zlib's window bits for "gzip or zlib, as its header says"
_BASE64 = "base64:"

_WORDS_LIMIT = 300


def as_text(body: bytes) -> str:
    """Return a body as text that the device record can hold; nothing of it is lost."""
    try:
        return _unzipped(body).decode()
    except UnicodeDecodeError:
        return _BASE64 + base64.b64encode(body).decode("ascii")


def as_bytes(text: str) -> bytes:
    """Return the body that ``as_text`` was called with, without its compression."""
    if text.startswith(_BASE64):
        return base64.b64decode(text.removeprefix(_BASE64))
    return text.encode()


def document(body: bytes, charset: str = "") -> object:
    """Read a body's JSON.

    Args:
        body: as it came.
        charset: what the HTTP header calls it; empty for what the bytes look like.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is JSON of more levels than Python 3.11 reads.
    """
    plain = _unzipped(body)
    # A wrong or unknown charset is no reason: what counts in an answer is ASCII.
    with suppress(ValueError, LookupError):
        return json.loads(plain)
    with suppress(ValueError, LookupError):
        return json.loads(plain.decode(charset or "utf-8").removeprefix("\ufeff"))
    return json.loads(plain.decode("utf-8-sig", errors="replace"))


def printable(value: object) -> str:
    """Return the far side's words for our messages: one line, no secret, not too long."""
    # Secrets first: the end of one that is cut in two would not be known again.
    text = redact(str(value))[:_WORDS_LIMIT]
    return "".join(character if character.isprintable() else " " for character in text)


def _unzipped(body: bytes) -> bytes:
    """Return what a compressed body holds, also if its end is missing; others as they are."""
    if not body.startswith(_COMPRESSED):
        return body
    try:
        # Bounded: 64 KiB of gzip may claim to be 64 MiB.
        return zlib.decompressobj(_ANY_ZLIB).decompress(body, BODY_LIMIT)
    except zlib.error:
        return body
