"""The floor of a relay: Starlette and httpx pass a POST on and its answer back, and no more.

    relay/.venv/bin/python bench/bare_relay.py VENDOR_URL PORT CERTIFICATE KEY CA_FILE

It knows no device, signs nothing, limits nobody and writes no line. TLS on both sides, and
uvicorn below it, are those of the relay.
"""

import ssl
import sys

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_CONNECTIONS = 100


def main(vendor: str, port: str, certificate: str, key: str, ca_file: str) -> None:
    """Serve until we are told to stop."""
    client = httpx.AsyncClient(
        verify=ssl.create_default_context(cafile=ca_file),
        limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
    )

    async def forward(request: Request) -> Response:
        # A form, because that is what the stand-in reads.
        form = {"content-type": "application/x-www-form-urlencoded"}
        body = b"nonce=bare&body=" + await request.body()
        answer = await client.post(vendor + request.url.path, content=body, headers=form)
        return Response(answer.content, answer.status_code, media_type="application/json")

    app = Starlette(routes=[Route("/v1/{name}", forward, methods=["POST"])])
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
