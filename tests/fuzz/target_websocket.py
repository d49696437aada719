"""What a cloud, or whatever answers in its place, sends on the dialog's connection.

Through TLS, the HTTP upgrade and the link. An input's first byte says whether the rest comes
behind an upgrade in order (0), or in its place.
"""

import asyncio
import ssl
import struct
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from random import Random

from mmid.session.link import open_link
from mmid.session.tls import Tls
from mmid.simcloud.core.certificates import make_certificates
from tests.fuzz.harness import mutated
from tests.session.test_hostile_cloud import upgraded
from tests.session.test_link import options

FLAGS = (0x00, 0x80, 0x80, 0x80, 0xC0, 0xF0)
OPCODES = (0, 1, 1, 2, 2, 8, 9, 10, 3, 15)
PAYLOADS = (
    b"", b"{}", b"\xff\xfe", "\U0001f600".encode(), b"\xf0\x9f", bytes(200), bytes(70_000),
    struct.pack(">H", 1000), struct.pack(">H", 1011) + b"r" * 121, struct.pack(">H", 5), b"\x03",
)  # fmt: skip
ANSWERS = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 401 No\r\nContent-Length: 5\r\n\r\nno it",
    b"HTTP/1.1 302 Found\r\nLocation: wss://elsewhere.example/\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: \xff\r\n" + b"a: b\r\n" * 300 + b"\r\n",
)


def frame(dice: Random) -> bytes:
    """Make a frame: of any kind, masked or not, its length said in any way."""
    payload = dice.choice(PAYLOADS)
    head = bytes([dice.choice(FLAGS) | dice.choice(OPCODES)])
    mask = 0x80 if dice.random() < 0.02 else 0
    if len(payload) < 126 and dice.random() < 0.95:
        return head + bytes([mask | len(payload)]) + payload
    if len(payload) < 1 << 16:
        return head + bytes([mask | 126]) + struct.pack(">H", len(payload)) + payload
    length = dice.choice([len(payload)] * 9 + [1 << 63, 1 << 31])
    return head + bytes([mask | 127]) + struct.pack(">Q", length) + payload


def invent(dice: Random) -> bytes:
    """Make frames, or another answer to the upgrade."""
    if dice.random() < 0.15:
        return b"\1" + mutated(dice.choice(ANSWERS), dice)
    data = b"".join(frame(dice) for _ in range(dice.choice([1, 3, 10, 60])))
    if dice.random() < 0.1:
        data += frame(dice)[:2] * dice.choice([1, 5000])
    return b"\0" + (mutated(data, dice) if dice.random() < 0.3 else data)


@cache
def both_sides() -> tuple[ssl.SSLContext, Tls, tempfile.TemporaryDirectory[str]]:
    """Return the TLS of both sides, and where the certificate is as long as it is needed."""
    folder = tempfile.TemporaryDirectory()
    certificates = make_certificates(Path(folder.name))
    return certificates.server_context(), Tls(str(certificates.ca_file)), folder


@asynccontextmanager
async def cloud(data: bytes) -> AsyncIterator[int]:
    """Serve one input; yields the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            accepted = await upgraded(reader)
            writer.write((b"" if data[0] else accepted) + data[1:])
            await writer.drain()
            writer.write_eof() if writer.can_write_eof() else writer.close()
            await reader.read()
        except (OSError, EOFError):
            pass  # the link ended it first
        finally:
            writer.close()

    context, _, _ = both_sides()
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def take(data: bytes) -> None:
    """Connect, read to the end, and leave."""
    async with cloud(data) as port:
        given, _, wait_s = options(port, "")
        link = await open_link(given, both_sides()[1], wait_s)
        try:
            await link.receive(lambda _: True)
        finally:
            await link.close()
