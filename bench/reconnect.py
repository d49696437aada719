"""How long a lost connection takes to come back: TCP open to Listening, token at hand.

A relay between mmid and the cloud drops the connection, and sees when the next one is
opened: how long mmid waits before that is the back-off's business, and here Connect
ends the wait. The floor is bare websockets that opens the same connection through the
same relay and says Start, with its TLS context at hand: the handshake and the cloud's
own time are in both. mmid's column also has what it tells on D-Bus, for "listening"
counts when a client hears it.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from bench.bare_clouds import connected
from bench.board import board
from bench.figure import Effort, Figure
from tests.rig.listener import Listener

_PIECE_BYTES = 1 << 16
# Of a few milliseconds: the median of fewer is the machine's. With the one that warms up they are
# as many Connects as mmid takes at once.
_RUNS = 9


def measure(effort: Effort) -> Iterator[Figure]:
    """Connect in turns."""
    ours, bare = asyncio.run(_connections(effort.times(_RUNS, least=2)))
    floor = "bare websockets, connect and Start"
    yield Figure("reconnect, TCP open to Listening", "ms", ours, floor, bare, 1.3)


async def _connections(runs: int) -> tuple[list[float], list[float]]:
    ours, bare = [], []
    async with board() as (made, _), _relay(made.cloud["ws_url"]) as relay:
        made.cloud = {**made.cloud, "ws_url": relay.url}
        await made.stop("mmid")
        await made.start_mmid()
        listener = await made.listener()
        await listener.wait_for(".State", "listening")
        context = ssl.create_default_context(cafile=made.cloud["ca_file"])
        for _ in range(runs + 1):
            ours.append(await _reconnect_ms(relay, listener))
            facts = {**made.cloud, "protocol": made.protocol, "mode": "push2talk"}
            async with connected(facts, context):
                bare.append((time.monotonic() - relay.opened_at) * 1000)
    return ours[1:], bare[1:]


async def _reconnect_ms(relay: "_Relay", listener: Listener) -> float:
    start = len(listener.heard)
    relay.drop()
    await listener.wait_for("DataDeinit", after=start)
    await listener.call("Connect")
    heard = await listener.wait_for(".State", "listening", after=start)
    return (heard.at - relay.opened_at) * 1000


class _Relay:
    """Passes bytes between clients and a server.

    Attributes:
        url: where clients find it.
        opened_at: when the last of them came, ``time.monotonic``.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""
        self.opened_at = 0.0

    def drop(self) -> None:
        """End all connections at once, as a network does that is gone."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on until either side ends it."""
        self.opened_at = time.monotonic()
        up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
        ends = {writer, up_writer}
        self._writers |= ends
        try:
            await asyncio.gather(_pass(reader, up_writer), _pass(up_reader, writer))
        finally:
            self._writers -= ends


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_PIECE_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def _relay(ws_url: str) -> AsyncIterator[_Relay]:
    """Stand between a server and its clients."""
    there = urlsplit(ws_url)
    host = there.hostname or ""
    relay = _Relay(host, there.port or 443)
    async with await asyncio.start_server(relay.serve, host, 0) as server:
        port = server.sockets[0].getsockname()[1]
        relay.url = there._replace(netloc=f"{host}:{port}").geturl()
        yield relay
        relay.drop()
