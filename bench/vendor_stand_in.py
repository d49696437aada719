"""A vendor's server that answers every POST after 50 ms, and counts: what the relay asks.

    python -m bench.vendor_stand_in CERTIFICATE KEY

Prints its port. ``GET /counts`` tells what came since the last one, as JSON. It checks no
signature, which would be its own cost: simcloud does, in the tests.
"""

import asyncio
import json
import ssl
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

LATENCY_S = 0.05


@dataclass(slots=True)
class Counts:
    """What came.

    Attributes:
        nonces: of all requests; one that comes twice is there twice.
        took_ms: how long each answer took here, so that a busy machine is seen.
    """

    nonces: list[str] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        different = len(set(self.nonces))
        return {"requests": len(self.nonces), "different": different, "took_ms": self.took_ms}


async def main(certificate: str, key: str) -> None:
    """Serve until we are killed."""
    counts = Counts()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal counts
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")).startswith(b"POST"):
                arrived = time.monotonic()
                body = await reader.readexactly(_length(head))
                await asyncio.sleep(LATENCY_S)
                counts.nonces.append(parse_qs(body.decode())["nonce"][0])
                writer.write(_response(_GRANTED))
                counts.took_ms.append((time.monotonic() - arrived) * 1000)
            writer.write(_response(counts.plain()))
            counts = Counts()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it left: a client's own affair
        finally:
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


_GRANTED = {
    "code": "200",
    "httpStatusCode": 200,
    "message": "success",
    "success": True,
    "requestId": "0123456789abcdef01234567",
    "data": {
        "nonce": "0123456789abcdef0123456789",
        "responseTime": "1795000000000",
        "appId": "mm_0123456789abcdef0123456789ab",
        "signature": "A" * 300,  # as long as a real one
    },
}


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split()[0])


def _response(document: dict[str, Any]) -> bytes:
    body = json.dumps(document).encode()
    kind = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
    return kind + str(len(body)).encode() + b"\r\n\r\n" + body


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
