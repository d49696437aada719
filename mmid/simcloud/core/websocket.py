"""The WebSocket server of the simulated clouds: one port over TLS, a path a cloud.

It answers upgrades, lets the faults at them strike, and gives each client a
``Connection`` with a protocol of the cloud's.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from mmid.simcloud.core.connection import ClientProtocol, Connection
from mmid.simcloud.core.faults import UPGRADE, FaultPlan
from mmid.simcloud.core.journal import Journal

_LARGEST_FRAME = 1 << 20  # images travel in text frames, base64, up to 256 KiB each
_MOST_CONNECTIONS = 16
_CLOSE_S = 2.0


class UpgradeRefused(Exception):
    """A cloud does not let a client in.

    Args:
        reason: for the client and the journal.
        status: of the HTTP answer.
    """

    def __init__(self, reason: str, status: HTTPStatus = HTTPStatus.UNAUTHORIZED) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class WebSocketRoute:
    """One endpoint of a cloud.

    Attributes:
        admit: returns who a client is, for the journal and for ``connect``; raises
            ``UpgradeRefused``.
        connect: makes the protocol of one client, of what ``admit`` returned and the time.
        plan: the cloud's faults.
    """

    admit: Callable[[Request], Mapping[str, str]]
    connect: Callable[[Mapping[str, str], float], ClientProtocol]
    plan: FaultPlan


class WebSocketServer:
    """The server.

    Args:
        routes: the endpoints by path.
        journal: where everything is written down.
        context: the TLS server context.
    """

    def __init__(
        self, routes: Mapping[str, WebSocketRoute], journal: Journal, context: ssl.SSLContext
    ) -> None:
        self._routes = routes
        self._journal = journal
        self._context = context
        self._server: Server | None = None
        self._admitted: WeakKeyDictionary[ServerConnection, ClientProtocol] = WeakKeyDictionary()

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: the address cannot be used.
        """
        self._server = await serve(
            self._serve_one,
            host,
            port,
            ssl=self._context,
            process_request=self._check,
            compression=None,  # as the real services; and frames keep the sizes that tests count
            ping_interval=None,  # whether a client is alive is the cloud's protocol to say
            max_size=_LARGEST_FRAME,
            close_timeout=_CLOSE_S,
            server_header="mmid-simcloud",
        )
        number: int = next(iter(self._server.sockets)).getsockname()[1]
        return number

    async def stop(self) -> None:
        """Close every connection, and stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer an upgrade: None lets it happen."""
        try:
            await self._admit(connection, request)
        except UpgradeRefused as refused:
            self._journal.add("rejected", status=refused.status.value, reason=str(refused))
            return connection.respond(refused.status, f"{refused}\n")
        return None

    async def _admit(self, connection: ServerConnection, request: Request) -> None:
        route = self._routes.get(request.path.partition("?")[0])
        if route is None:
            there = ", ".join(self._routes)
            raise UpgradeRefused(f"a WebSocket is at {there}", HTTPStatus.NOT_FOUND)
        # Before the credential is looked at: a gateway in front of the cloud fails as well.
        for read in route.plan.due(UPGRADE):
            self._journal.add("fault", when=UPGRADE, do=str(read))
            match read.name:
                case "delay":
                    await asyncio.sleep(int(read.arguments[0]) / 1000)
                case "http":
                    status = HTTPStatus(int(read.arguments[0]))
                    raise UpgradeRefused("the scenario wants it", status)
                case "drop":
                    connection.transport.abort()
        who = route.admit(request)
        if self._server and len(self._server.connections) >= _MOST_CONNECTIONS:
            reason = f"{_MOST_CONNECTIONS} connections are open"
            raise UpgradeRefused(reason, HTTPStatus.SERVICE_UNAVAILABLE)
        self._journal.add("connect", None, **who)
        self._admitted[connection] = route.connect(who, time.monotonic())

    async def _serve_one(self, websocket: ServerConnection) -> None:
        try:
            protocol = self._admitted.pop(websocket)
            await Connection(websocket, protocol, self._journal).run()
        finally:
            self._journal.add("disconnect", code=websocket.close_code)
