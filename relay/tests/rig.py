"""What the tests stand on: a vendor over real TLS, and a relay in front of it."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import uvicorn
from starlette.types import Receive, Scope, Send

from mmid_relay.app import make_app
from mmid_relay.devices import device_token
from mmid_relay.settings import Settings

KEY = "0123456789abcdef" * 4
SECRETS = {
    "access_key_secret": "ALI-SECRET-4711",
    "token_key": "sk-token-key-4711",
    "api_key": "sk-api-key-4711",
    "secret_key": "BCE-SECRET-4711",
}


@dataclass
class Call:
    """A request that the vendor got."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


@dataclass
class Vendor:
    """All three vendors, on one port. ``answer`` is what the next calls get."""

    calls: list[Call] = field(default_factory=list)
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[], Awaitable[object]] | None = None
    port: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode()))
        self.calls.append(Call(scope["path"], query, headers, bytes(body)))
        if self.before:
            await self.before()
        content = self.body if self.body is not None else good_answer(self.calls[-1])
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        told = {"content-type": "application/json", "content-length": str(len(content))}
        told |= self.headers
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [(name.encode(), value.encode()) for name, value in told.items()],
            }
        )
        await send({"type": "http.response.body", "body": content})


def good_answer(call: Call) -> dict[str, Any]:
    """Return what a vendor says to a request that it likes."""
    if call.path.startswith("/open/api/"):
        data = {
            "nonce": "f" * 26,
            "responseTime": "1753344478377",
            "appId": call.form["appId"],
            "deviceName": call.form.get("deviceName", "radio-1"),
            "signature": "sealed+/=",
            "aNewField": "kept",
        }
        # Text where the other answer has a bool and a number: so the API declares it.
        return {"code": "200", "success": "true", "message": "ok", "data": data, "requestId": "R-1"}
    if call.path == "/api/v1/tokens":
        return {"token": "st-0123456789", "expires_at": 1744080369}
    if call.path.endswith("/generateAIAgentCall"):
        context = {"cid": 7, "token": "instance-token"}
        return {"ai_agent_instance_id": 9007199254740993123, "context": context}
    return {}


@contextlib.asynccontextmanager
async def serving(
    app: Any, cert: Path | None = None, *, uds: Path | None = None, **options: Any
) -> AsyncIterator[int]:
    """Serve an ASGI application on a port, over TLS if there is a certificate; or on a socket."""
    config = uvicorn.Config(
        app,
        port=0,
        uds=str(uds) if uds else None,
        ssl_certfile=cert,
        log_config=None,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        timeout_graceful_shutdown=20,
        **options,
    )
    server = uvicorn.Server(config)
    server.config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    sockets = [one for running in server.servers for one in running.sockets]
    loop = asyncio.create_task(server.main_loop())
    try:
        yield 0 if uds else sockets[0].getsockname()[1]
    finally:
        loop.cancel()  # it looks at its flags ten times a second only
        await server.shutdown()


def settings_for(vendor: Vendor, ca_file: Path, **tables: Any) -> Settings:
    """Return settings that lead to a vendor; ``tables`` change or add keys of them."""
    url = f"https://localhost:{vendor.port}"
    plain: dict[str, Any] = {
        "server": {"ca_file": str(ca_file)},
        "devices": {"fleet_keys": {"k1": KEY}, "signing_key": "k1"},
        "limits": {"vendor_timeout_s": 2},
        "alibaba": {
            "endpoint": url,
            "access_key_id": "LTAI-ID",
            "access_key_secret": SECRETS["access_key_secret"],
            "token_key": SECRETS["token_key"],
        },
        "dashscope": {"url": url, "api_key": SECRETS["api_key"]},
        "baidu": {
            "url": url,
            "access_key": "AK",
            "secret_key": SECRETS["secret_key"],
            "app_id": "app-1",
        },
    }
    for name, table in tables.items():
        plain[name] = None if table is None else {**plain[name], **table}
    return Settings.model_validate(plain)


@dataclass
class Board:
    """A device that asks the relay.

    Attributes:
        http: the way to the relay.
        lines: the relay's audit log.
        name: of the device.
        token: it proves itself by.
    """

    http: httpx.AsyncClient
    lines: list[dict[str, Any]]
    name: str = "radio-1"
    token: str = ""

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        token = self.token or self.own_token
        told = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        told = {name: value for name, value in told.items() if value}
        return await self.http.post(path, content=content, headers=told)

    @property
    def own_token(self) -> str:
        return device_token(self.name, "k1", bytes.fromhex(KEY))

    async def register(self, nonce: str = "a" * 26, **fields: str) -> httpx.Response:
        return await self.post("/v1/register", register_body(self.name, nonce, **fields))

    async def get_token(self) -> httpx.Response:
        return await self.post("/v1/token", token_body(self.name))


def register_body(name: str = "radio-1", nonce: str = "a" * 26, **fields: str) -> dict[str, str]:
    return {
        "appId": "mm_0123",
        "deviceName": name,
        "nonce": nonce,
        "requestTime": "1753344478377",
        "sdkVersion": "1.1.0",
        "signature": "abc+/0==",
        **fields,
    }


def token_body(name: str = "radio-1") -> dict[str, str]:
    return register_body(name, tokenType="MMI")


INSTANCE_BODY = {"deviceName": "radio-1", "codec": "raw16k", "mode": "push2talk"}


@contextlib.asynccontextmanager
async def relay_for(settings: Settings, client: str = "127.0.0.1") -> AsyncIterator[Board]:
    """Return a board that asks a relay with these settings, without a socket between them."""
    lines: list[dict[str, Any]] = []
    app = make_app(settings, audit=lambda line: lines.append(json.loads(line)))
    transport = httpx.ASGITransport(app, client=(client, 40000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://relay.example.com") as http,
    ):
        yield Board(http, lines)


def trusting(ca_file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file))
