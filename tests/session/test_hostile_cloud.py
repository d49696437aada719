"""A cloud that means harm: it takes no memory, holds nobody up, and ends nothing but itself."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from websockets.utils import accept_key

from mmid.errors import MalformedMessage, MmidError
from mmid.session.link import Link, open_link
from mmid.simcloud.core.certificates import Certificates
from tests.session.doubles import peer
from tests.session.test_link import AMPLE_S, MEBIBYTE, ends, next_message, options

PING, PONG, TEXT, CONTINUED, BAD_OPCODE, CLOSE = 0x89, 0x8A, 0x01, 0x00, 0x8B, 0x88


async def upgraded(reader: asyncio.StreamReader) -> bytes:
    """Read a request to upgrade, and return the answer that lets it happen."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
    accepted = accept_key(key.partition(": ")[2])
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accepted.encode() + b"\r\n\r\n"
    )


@asynccontextmanager
async def hostile(
    certificates: Certificates, first: bytes, again: bytes = b""
) -> AsyncIterator[Link]:
    """A cloud that answers the upgrade, sends frames, the last ones for ever, and reads nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await upgraded(reader))
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of a socket
        writer.write(first)
        while True:
            writer.write(again)
            await writer.drain()
            await (asyncio.sleep(0) if again else asyncio.Event().wait())

    async def serve_until_left(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.create_task(serve(reader, writer))
        await asyncio.wait({serving, left}, return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        writer.transport.abort()

    left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with peer(serve_until_left, certificates.server_context()) as port:
        link = await open_link(*options(port, certificates.ca_file))
        try:
            yield link
        finally:
            await link.close()
            left.set_result(None)


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        (bytes((PING, 125)) + bytes(125), "1008 more than 1000 pings at once"),
        (bytes((PING, 0)), "1008 more than 1000 pings at once"),
        (bytes((PONG, 0)), "1008 more than 1000 pings at once"),
        (bytes((CONTINUED, 0)), "fragments"),
        (bytes((TEXT | 0x80, 0)), "1008 more than 4096 small frames at once"),
    ],
    ids=["large pings", "small pings", "pongs", "empty fragments", "empty texts"],
)
async def test_a_cloud_that_wants_to_fill_the_memory_is_left_before_it_has(
    certificates: Certificates, frames: bytes, why: str
) -> None:
    begin = bytes((TEXT, 0)) if frames[0] == CONTINUED else b""
    many = frames * (MEBIBYTE // len(frames))
    tracemalloc.start()
    try:
        async with hostile(certificates, begin, many) as link:
            error = await stuck_reader(link)
            assert tracemalloc.get_traced_memory()[1] < 16 * MEBIBYTE
    finally:
        tracemalloc.stop()
    assert isinstance(error, MalformedMessage)
    assert why in str(error)


async def test_of_large_messages_one_waits_for_a_stuck_reader(certificates: Certificates) -> None:
    frame = bytes((0x82, 127)) + MEBIBYTE.to_bytes(8) + bytes(MEBIBYTE)
    async with hostile(certificates, frame, frame) as link:
        await next_message(link)
        connection = link._connection
        async with asyncio.timeout(AMPLE_S):
            while not connection._paused:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.001)
        assert len(connection._messages) == 1


async def stuck_reader(link: Link) -> MmidError:
    """Read one frame, as a reader that waits for the loudspeaker; return how the link ended."""
    async with asyncio.timeout(AMPLE_S):
        try:
            await next_message(link)
        except MmidError as error:
            return error
        await link._connection.wait_closed()
        return await ends(link)


async def test_a_cloud_that_sends_too_much_with_its_upgrade_is_left_in_order(
    certificates: Certificates,
) -> None:
    async with hostile(certificates, bytes((TEXT, 0)) + bytes((CONTINUED, 0)) * 9000) as link:
        with pytest.raises(MalformedMessage, match="fragments"):
            await next_message(link)


@pytest.mark.parametrize("frame", [bytes((BAD_OPCODE, 0)), bytes((CLOSE, 2, 0x03, 0xE8))])
async def test_a_cloud_that_breaks_the_rules_or_closes_and_stays_is_left_at_once(
    certificates: Certificates, frame: bytes
) -> None:
    async with hostile(certificates, frame) as link:
        async with asyncio.timeout(2.0):
            await ends(link)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_a_cloud_answers_the_link_ends_with_an_error_of_ours(
    certificates: Certificates, seed: int
) -> None:
    random = Random(seed)  # noqa: S311 - no secret

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bent(await upgraded(reader), random))
        if random.random() < 0.5:
            writer.write(bent(FRAMES, random))

    async with peer(serve, certificates.server_context()) as port:
        given = options(port, certificates.ca_file)
        for _ in range(60):
            with pytest.raises(MmidError):
                raise await ends(await open_link(*given))


# A text in two fragments, a ping between them, audio, and a close with code and reason.
FRAMES = b"\x01\x02{}\x89\x01p\x80\x01!\x82\x7e\x00\x80" + bytes(128) + b"\x88\x06\x03\xe8done"


def bent(data: bytes, random: Random) -> bytes:
    """Return it with some of its bytes changed, repeated, moved or cut off."""
    for _ in range(random.randint(0, 4)):
        place, other = random.randrange(len(data)), random.randrange(len(data))
        piece = random.choice(
            [random.randbytes(1), data[place : place + 1] * random.randint(0, 9), data[other:]]
        )
        data = (data[:place] + piece + data[place + random.randint(0, 4) :]) or b"\0"
    return data
