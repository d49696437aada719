"""The ``multimodal-dialog`` endpoint of the simulated cloud: WebSocket over TLS.

It listens, checks the credential at the upgrade, and gives each client a
``dialog_connection`` with a protocol core of its own.
"""

import asyncio
import hmac
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from mmid.secrets import Secret
from mmid.simcloud.core.connection import Connection
from mmid.simcloud.core.faults import UPGRADE
from mmid.simcloud.core.journal import Journal
from mmid.simcloud.multimodal_dialog.protocol import DialogProtocol
from mmid.simcloud.multimodal_dialog.terms import Account, Conversation

PATH: Final = "/api-ws/v1/inference"

_LARGEST_FRAME = 1 << 20  # images travel in text frames, base64, up to 180 KB each
_MOST_CONNECTIONS = 16
_CLOSE_S = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gate:
    """Who is let in.

    Attributes:
        api_key: the key of the pay-as-you-go mode.
        token_device: returns the device that a license token belongs to, or
            None if the token is not valid now.
    """

    api_key: Secret
    token_device: Callable[[str], str | None]

    def admit(self, request: Request) -> tuple[str, str] | None:
        """Return the kind of credential and the device it names, or None."""
        values = request.headers.get_all("Authorization")
        scheme, _, bearer = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not bearer:
            return None
        if hmac.compare_digest(bearer.encode(), self.api_key.reveal().encode()):
            return "api-key", ""
        device_name = self.token_device(bearer)
        return None if device_name is None else ("token", device_name)


class DialogService:
    """The endpoint.

    Args:
        account: what a Start must name.
        gate: who is let in.
        shared: the script.
        journal: where everything is written down.
        context: the TLS server context.
    """

    def __init__(
        self,
        account: Account,
        gate: Gate,
        shared: Conversation,
        journal: Journal,
        context: ssl.SSLContext,
    ) -> None:
        self._account = account
        self._gate = gate
        self._shared = shared
        self._journal = journal
        self._context = context
        self._server: Server | None = None
        self._admitted: WeakKeyDictionary[ServerConnection, str] = WeakKeyDictionary()

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
            compression=None,
            ping_interval=None,
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
        for fault in self._shared.plan.due(UPGRADE):
            self._journal.add("fault", when=fault.when, do=str(fault))
            match fault.do:
                case "delay":
                    await asyncio.sleep(int(fault.arguments[0]) / 1000)
                case "http":
                    reason = "the scenario wants it"
                    return self._reject(connection, HTTPStatus(int(fault.arguments[0])), reason)
                case "drop":
                    connection.transport.abort()
        admitted = self._gate.admit(request)
        if request.path.partition("?")[0] != PATH:
            return self._reject(connection, HTTPStatus.NOT_FOUND, f"the dialog is at {PATH}")
        if admitted is None:
            reason = "Authorization must be Bearer and a valid API key or license token"
            return self._reject(connection, HTTPStatus.UNAUTHORIZED, reason)
        if self._server and len(self._server.connections) >= _MOST_CONNECTIONS:
            reason = f"{_MOST_CONNECTIONS} connections are open"
            return self._reject(connection, HTTPStatus.SERVICE_UNAVAILABLE, reason)
        credential, device_name = admitted
        self._journal.add("connect", credential=credential, device_name=device_name)
        self._admitted[connection] = credential
        return None

    def _reject(self, connection: ServerConnection, status: HTTPStatus, reason: str) -> Response:
        self._journal.add("rejected", status=status.value, reason=reason)
        return connection.respond(status, f"{reason}\n")

    async def _serve_one(self, websocket: ServerConnection) -> None:
        licensed = self._admitted.get(websocket) == "token"
        account = replace(self._account, licensed=licensed)
        protocol = DialogProtocol(account, self._shared, time.monotonic())
        try:
            await Connection(websocket, protocol, self._journal).run()
        finally:
            self._journal.add("disconnect", code=websocket.close_code)
