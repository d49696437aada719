"""How long mmid takes from "connect" to a cloud that listens, when the token is at hand.

The floor is bare websockets that opens the same connection and says Start, with
its TLS context at hand: the handshake and the cloud's own time are in both. mmid's
column also has the call on D-Bus and the signal back.
"""

import asyncio
import ssl
import time
from collections.abc import Iterator

from bench.bare_dialog import connected
from bench.board import board
from bench.figure import Effort, Figure
from tests.rig.listener import Listener

__all__ = ["measure"]


def measure(effort: Effort) -> Iterator[Figure]:
    """Connect in turns."""
    ours, bare = asyncio.run(_connections(effort.times(2 * effort.runs, least=2)))
    floor = "bare websockets, connect and Start"
    yield Figure("reconnect, TCP open to Listening", "ms", ours, floor, bare, 1.3)


async def _connections(runs: int) -> tuple[list[float], list[float]]:
    ours, bare = [], []
    async with board() as (made, listener):
        context = ssl.create_default_context(cafile=made.cloud["ca_file"])
        for _ in range(runs + 1):
            began = time.monotonic()
            async with connected(made.cloud, context):
                bare.append((time.monotonic() - began) * 1000)
            ours.append(await _reconnect_ms(listener))
    return ours[1:], bare[1:]


async def _reconnect_ms(listener: Listener) -> float:
    start = len(listener.heard)
    await listener.call("Disconnect")
    await listener.wait_for(".State", "offline", after=start)
    began = time.monotonic()
    await listener.call("Connect")
    heard = await listener.wait_for(".State", "listening", after=start)
    return (heard.at - began) * 1000
