"""Devices that ask a relay: many at once, each on a connection of its own, or a few for long.

    python -m bench.fleet < ORDER

ORDER is an ``Order`` as JSON. Prints what they were answered, and how long each waited.
"""

import asyncio
import hmac
import json
import secrets
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

KEY_ID = "bench"
_WAIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Order:
    """What the devices do.

    Attributes:
        ports: of the relays, which they take in turn.
        path: what they ask.
        requests: how many in all, each of another device with another nonce.
        connections: how many at a time.
        ca_file: whom they trust.
        fleet_key: what their tokens are made of, in hex.
    """

    ports: list[int]
    path: str
    requests: int
    connections: int
    ca_file: str
    fleet_key: str


@dataclass(slots=True)
class Told:
    """What they were answered.

    Attributes:
        statuses: HTTP status -> how often.
        took_ms: how long each request took. On a connection of its own it begins when all begin.
        seconds: how long all of it took.
    """

    statuses: dict[str, int] = field(default_factory=dict)
    took_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0


async def run(order: Order) -> Told:
    """Let them ask."""
    told, numbers = Told(), iter(range(order.requests))
    context = ssl.create_default_context(cafile=order.ca_file)
    began = time.monotonic()
    async with asyncio.timeout(_WAIT_S), asyncio.TaskGroup() as group:
        for index in range(order.connections):
            port = order.ports[index % len(order.ports)]
            group.create_task(_device(order, port, context, numbers, told))
    told.seconds = time.monotonic() - began
    return told


async def _device(
    order: Order, port: int, context: ssl.SSLContext, numbers: Iterator[int], told: Told
) -> None:
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    for _ in numbers:
        writer.write(_request(order, port))
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].split()[0]
        await reader.readexactly(int(length))
        told.took_ms.append((time.monotonic() - began) * 1000)
        status = head.split()[1].decode()
        told.statuses[status] = told.statuses.get(status, 0) + 1
        if order.connections == order.requests:
            break
        began = time.monotonic()
    writer.close()


def _request(order: Order, port: int) -> bytes:
    name = f"bench-{secrets.token_hex(8)}"
    proof = hmac.digest(bytes.fromhex(order.fleet_key), name.encode(), "sha256").hex()
    body: dict[str, Any] = {
        "appId": "mm_0123456789abcdef0123456789ab",
        "deviceName": name,
        "nonce": secrets.token_hex(13),
        "requestTime": str(time.time_ns() // 1_000_000),
        "sdkVersion": "1.1.0",
        "signature": "A" * 200,
    }
    if order.path.endswith("token"):
        body["tokenType"] = "MMI"
    content = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {order.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {name}.{KEY_ID}.{proof}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(run(Order(**json.load(sys.stdin)))))))
