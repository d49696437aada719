"""The bad network itself: each harm is what it says, for both sides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice, repeat
from random import Random

import pytest

from tests.rig.chaos import ChaosProxy, Fate, Harm, random_fates

PIECE = bytes(range(200))


class Peer:
    """A server's end of one connection, and a client's that goes through the proxy."""

    def __init__(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        self.client = client
        self.to_server = to_server
        self.server: asyncio.StreamReader
        self.to_client: asyncio.StreamWriter


@asynccontextmanager
async def connected(fate: Fate) -> AsyncIterator[tuple[Peer, ChaosProxy]]:
    """A connection through a proxy that has this fate."""
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait((reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(10), ChaosProxy("127.0.0.1", port, repeat(fate)) as proxy:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", proxy.port))
        if fate.harm is not Harm.REFUSE:
            peer.server, peer.to_client = await accepted.get()
        yield peer, proxy
        peer.to_server.close()
        with suppress(OSError):
            await peer.to_server.wait_closed()
        if fate.harm is not Harm.REFUSE:
            peer.to_client.close()
            with suppress(OSError):
                await peer.to_client.wait_closed()
    server.close()


async def test_without_harm_every_byte_passes_both_ways() -> None:
    async with connected(Fate(delay_s=0.01)) as (peer, proxy):
        peer.to_server.write(PIECE)
        assert await peer.server.readexactly(len(PIECE)) == PIECE
        peer.to_client.write(PIECE[::-1])
        assert await peer.client.readexactly(len(PIECE)) == PIECE[::-1]
        assert (proxy.connections, proxy.harms) == (1, {})


async def test_a_refused_connection_ends_at_once() -> None:
    async with connected(Fate(Harm.REFUSE)) as (peer, proxy):
        assert await peer.client.read() == b""
        assert proxy.harms == {Harm.REFUSE: 1}


@pytest.mark.parametrize(("harm", "passes"), [(Harm.CUT, 0), (Harm.HALVE, 100)])
async def test_a_cut_ends_both_sides(harm: Harm, passes: int) -> None:
    async with connected(Fate(harm, after_bytes=1)) as (peer, _):
        peer.to_server.write(PIECE)
        assert await peer.server.read() == PIECE[:passes]
        assert await peer.client.read() == b""


async def test_a_reset_is_a_reset_for_both_sides() -> None:
    async with connected(Fate(Harm.RESET, after_bytes=1)) as (peer, _):
        peer.to_client.write(PIECE)
        with pytest.raises(ConnectionResetError):
            await peer.client.read()
        with pytest.raises(ConnectionResetError):
            await peer.server.read()


async def test_after_a_stall_everything_passes_in_order() -> None:
    async with connected(Fate(Harm.STALL, after_bytes=len(PIECE) + 1, stall_s=0.2)) as (peer, _):
        peer.to_server.write(PIECE)
        assert await peer.server.readexactly(len(PIECE)) == PIECE
        began = asyncio.get_running_loop().time()
        peer.to_server.write(PIECE * 2)
        assert await peer.server.readexactly(2 * len(PIECE)) == PIECE * 2
        assert asyncio.get_running_loop().time() - began >= 0.2


async def test_what_is_swallowed_is_told_to_nobody_until_one_side_leaves() -> None:
    async with connected(Fate(Harm.SWALLOW, after_bytes=1)) as (peer, proxy):
        peer.to_server.write(PIECE)
        while not proxy.harms:  # noqa: ASYNC110 - the proxy tells nobody either
            await asyncio.sleep(0.01)
        peer.to_client.write(PIECE)
        peer.to_server.close()
        assert await peer.server.read() == b""
        assert await peer.client.read() == b""


def test_a_seed_is_a_network() -> None:
    harms = {Harm.CUT: 1.0, Harm.STALL: 2.0}
    first, second, other = (
        list(islice(random_fates(Random(seed), harms), 20))  # noqa: S311 - to be repeatable
        for seed in ("a", "a", "b")
    )
    assert first == second != other
    assert {fate.harm for fate in first} == set(harms)
