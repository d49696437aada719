"""The floor of a relay: Starlette passes a POST on and its answer back, and no more.

    relay/.venv/bin/python bench/bare_relay.py LIBRARY VENDOR_URL PORT CA_FILE CERTIFICATE KEY

It knows no device, signs nothing, limits nobody and writes no line. TLS on both sides, and
uvicorn below it, are those of the relay. LIBRARY asks the vendor: ``httpx``, which most would
take beside Starlette, or ``aiohttp``, which the relay has.
"""

import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_CONNECTIONS = 100
# A form, because that is what the stand-in reads.
_FORM = {"content-type": "application/x-www-form-urlencoded"}


def _by_httpx(tls: ssl.SSLContext) -> Any:
    limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
    return httpx.AsyncClient(verify=tls, limits=limits)


async def _ask_httpx(client: httpx.AsyncClient, url: str, body: bytes) -> Response:
    answer = await client.post(url, content=body, headers=_FORM)
    return Response(answer.content, answer.status_code, media_type="application/json")


def _by_aiohttp(tls: ssl.SSLContext) -> Any:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=_CONNECTIONS))


async def _ask_aiohttp(client: aiohttp.ClientSession, url: str, body: bytes) -> Response:
    async with client.post(url, data=body, headers=_FORM) as answer:
        return Response(await answer.read(), answer.status, media_type="application/json")


_LIBRARIES: dict[str, tuple[Any, Any]] = {
    "httpx": (_by_httpx, _ask_httpx),
    "aiohttp": (_by_aiohttp, _ask_aiohttp),
}


def main(library: str, vendor: str, port: str, ca_file: str, *certificate_and_key: str) -> None:
    """Serve until we are told to stop."""
    make, ask = _LIBRARIES[library]
    certificate, key = certificate_and_key
    tls = ssl.create_default_context(cafile=ca_file)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with make(tls) as app.state.client:
            yield

    async def forward(request: Request) -> Response:
        body = b"nonce=bare&body=" + await request.body()
        answer: Response = await ask(request.app.state.client, vendor + request.url.path, body)
        return answer

    app = Starlette(routes=[Route("/v1/{name}", forward, methods=["POST"])], lifespan=lifespan)
    uvicorn.run(
        app,
        port=int(port),
        ssl_certfile=certificate,
        ssl_keyfile=key,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
