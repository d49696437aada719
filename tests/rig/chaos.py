"""A bad network: a TCP proxy that delays, stalls, cuts, halves, resets and swallows.

It knows bytes only, so TLS passes through it and what it breaks is what a
network can break. What happens to each connection is a ``Fate``; drawn from a
seeded generator, the nth connection through a proxy always has the same one.
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Self

_PIECE_BYTES = 4096

# A TLS handshake takes 3 to 4 KB, a short turn about 20 KB: from "in the
# handshake" to "after a few turns".
_LIFE_BYTES = (500, 80_000)

_LONGEST_DELAY_S = 0.08
_LONGEST_STALL_S = 2.5


class Harm(StrEnum):
    """How a connection comes to grief."""

    REFUSE = "refuse"  # accepted and closed at once
    CUT = "cut"  # both sides see an orderly end
    HALVE = "halve"  # half of a piece still passes, then both sides see an end
    RESET = "reset"  # both sides see a reset
    STALL = "stall"  # nothing passes for a while, then everything
    SWALLOW = "swallow"  # nothing passes any more, and nobody is told


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one connection.

    Attributes:
        harm: how it comes to grief; None: it does not.
        after_bytes: when, counted over both directions.
        delay_s: how long each piece is held back.
        stall_s: how long a stall lasts.
    """

    harm: Harm | None = None
    after_bytes: int = 0
    delay_s: float = 0.0
    stall_s: float = 0.0


def random_fates(random: Random, harms: dict[Harm, float]) -> Iterator[Fate]:
    """Draw fates for ever; half of the connections are slow as well.

    Args:
        random: what to draw from.
        harms: how often each harm is to happen, relative to the others.
    """
    while True:
        (harm,) = random.choices(list(harms), list(harms.values()))
        yield Fate(
            harm,
            random.randint(*_LIFE_BYTES),
            max(0.0, random.uniform(-_LONGEST_DELAY_S, _LONGEST_DELAY_S)),
            random.uniform(0.3, _LONGEST_STALL_S),
        )


class ChaosProxy:
    """The proxy.

    Args:
        host: where the server is, and where this listens.
        port: the server's port.
        fates: what happens to each connection, in their order.

    Attributes:
        port: where clients find it.
        harms: what has happened to how many connections.
        connections: how many there were.
    """

    def __init__(self, host: str, port: int, fates: Iterator[Fate]) -> None:
        self._host = host
        self._server_port = port
        self._fates = fates
        self._server: asyncio.Server | None = None
        self._passages: dict[asyncio.Task[None], _Passage] = {}
        self.port = 0
        self.harms: Counter[Harm] = Counter()
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for passage in self._passages.values():
            passage.end()
        await asyncio.gather(*self._passages)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        passage = self._passages[task] = _Passage(next(self._fates), self.harms)
        try:
            await passage.run(reader, writer, self._host, self._server_port)
        finally:
            del self._passages[task]


class _Passage:
    """One connection through the proxy."""

    def __init__(self, fate: Fate, harms: Counter[Harm]) -> None:
        self._fate = fate
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()
        self._harms = harms
        self._passed = 0
        self._swallowing = False
        self._clear = asyncio.Event()
        self._clear.set()

    async def run(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
    ) -> None:
        """Pass bytes both ways until one side ends, or fate strikes."""
        self._writers.append(writer)
        try:
            if self._fate.harm is Harm.REFUSE:
                self._harms[Harm.REFUSE] += 1
                return
            up_reader, up_writer = await asyncio.open_connection(host, port)
            self._writers.append(up_writer)
            self._pumps = {
                asyncio.create_task(self._pump(reader, up_writer)),
                asyncio.create_task(self._pump(up_reader, writer)),
            }
            await asyncio.wait(self._pumps, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            return  # the server is gone: so is the client
        finally:
            self.end()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            for one in self._writers:
                one.close()

    def end(self) -> None:
        """Pass nothing more; ``run`` returns soon."""
        for pump in self._pumps:
            pump.cancel()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes one way; returns when the connection is over."""
        with suppress(OSError):
            while data := await reader.read(_PIECE_BYTES):
                self._passed += len(data)
                await asyncio.sleep(self._fate.delay_s)
                await self._clear.wait()
                if self._due and not await self._strike(data, writer):
                    return
                if not self._swallowing:
                    writer.write(data)
                    await writer.drain()

    @property
    def _due(self) -> bool:
        harm = self._fate.harm
        return harm is not None and self._passed >= self._fate.after_bytes

    async def _strike(self, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Do the harm, once; return whether the connection lives on."""
        harm = self._fate.harm
        assert harm is not None
        self._fate = Fate(delay_s=self._fate.delay_s, stall_s=self._fate.stall_s)
        self._harms[harm] += 1
        match harm:
            case Harm.STALL:
                self._clear.clear()
                await asyncio.sleep(self._fate.stall_s)
                self._clear.set()
            case Harm.SWALLOW:
                self._swallowing = True
            case Harm.HALVE:
                writer.write(data[: len(data) // 2])
                await writer.drain()
            case Harm.RESET:
                self._reset()
        return harm in {Harm.STALL, Harm.SWALLOW}

    def _reset(self) -> None:
        for writer in self._writers:
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
