"""The ``multimodal-dialog`` endpoint of the simulated cloud: WebSocket over TLS.

The I/O shell around ``dialog_protocol``: it checks the credential at the
upgrade, feeds frames to the core, carries its actions out in order, and keeps
the journal. Two tasks a connection, so that a client which reads slowly, as one
that plays in real time does, is still heard when it interrupts.
"""

import asyncio
import contextlib
import hmac
import logging
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import takewhile
from typing import Final
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from mmid.redaction import Secret
from mmid.simcloud.dialog_actions import (
    Action,
    Close,
    Drop,
    Flood,
    Heard,
    Note,
    Pause,
    ReplyBegin,
    ReplyEnd,
    SendAudio,
    SendBrokenText,
    SendRaw,
    SendText,
)
from mmid.simcloud.dialog_protocol import DialogProtocol
from mmid.simcloud.dialog_terms import Account, Conversation
from mmid.simcloud.faults import UPGRADE
from mmid.simcloud.journal import Journal

__all__ = ["PATH", "DialogService", "Gate"]

PATH: Final = "/api-ws/v1/inference"

_LARGEST_FRAME = 1 << 20  # images travel in text frames, base64, up to 180 KB each
_MOST_CONNECTIONS = 16
_MOST_WAITING = 1000  # actions; a client that causes more and reads nothing is dropped
_SEND_S = 30.0
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
            await _Connection(websocket, protocol, self._journal).run()
        finally:
            self._journal.add("disconnect", code=websocket.close_code)


class _Connection:
    """One client: a reader, a sender, and between them what waits to be sent."""

    def __init__(
        self, websocket: ServerConnection, protocol: DialogProtocol, journal: Journal
    ) -> None:
        self._websocket = websocket
        self._protocol = protocol
        self._journal = journal
        self._waiting: deque[Action] = deque()
        self._wake = asyncio.Event()
        self._reply: list[bytes] | None = None
        self._reply_mode = "pcm"

    async def run(self) -> None:
        """Serve until the connection ends."""
        sender = asyncio.create_task(self._send_all())
        try:
            await self._read_all()
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
            self._account_for_the_rest()

    async def _read_all(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self._websocket:
                now = time.monotonic()
                if isinstance(frame, str):
                    self._post(self._protocol.text(frame, now))
                else:
                    self._post(self._protocol.binary(frame, now))

    async def _send_all(self) -> None:
        """Do what waits, one after the other; when nothing does, let time pass."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                while self._waiting:
                    await self._do(self._waiting.popleft())
                await self._pass_time()

    async def _pass_time(self) -> None:
        pause = self._protocol.deadline - time.monotonic()
        if pause <= 0:
            await asyncio.sleep(0)  # the reader's turn, however fast the replies go
            if not self._waiting:
                self._post(self._protocol.tick(time.monotonic()))
            return
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if pause == float("inf") else pause):
                await self._wake.wait()

    def _post(self, actions: list[Action]) -> None:
        # What the client did is in the journal at once, even while it reads nothing.
        told = list(takewhile(lambda action: isinstance(action, Note), actions))
        for action in told:
            self._write_down(action)
        self._waiting.extend(actions[len(told) :])
        self._wake.set()
        if len(self._waiting) > _MOST_WAITING:
            _log.warning("a client reads nothing and keeps asking: dropped")
            self._websocket.transport.abort()

    async def _do(self, action: Action) -> None:
        match action:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Close(code, reason):
                await self._websocket.close(code, reason)
            case Drop():
                self._websocket.transport.abort()
            case SendText() | SendBrokenText() | SendAudio():
                if await self._send(action):
                    self._sent(action)
            case Flood(frame, count):
                for _ in range(count):
                    if not await self._send(frame):
                        return
            case SendRaw(data):
                self._websocket.transport.write(data)
            case _:
                self._write_down(action)

    async def _send(self, action: SendText | SendBrokenText | SendAudio) -> bool:
        """Send a frame; False if the client did not take it, and was dropped."""
        try:
            async with asyncio.timeout(_SEND_S):
                if isinstance(action, SendText):
                    await self._websocket.send(action.text)
                else:
                    text = isinstance(action, SendBrokenText)
                    await self._websocket.send(action.data, text=text)
        except TimeoutError:
            _log.warning("a client did not read for %g s: dropped", _SEND_S)
            self._websocket.transport.abort()
            return False
        return True

    def _sent(self, action: SendText | SendBrokenText | SendAudio) -> None:
        if isinstance(action, SendText):
            self._journal.add("event", name=action.name, **action.fields)
        elif isinstance(action, SendAudio):
            if action.stray:
                self._journal.add("stray-audio", bytes=len(action.data))
            elif self._reply is not None:
                self._reply.append(action.data)

    def _write_down(self, action: Action) -> None:
        """Do an action that only concerns the journal."""
        match action:
            case Note(kind, t, fields):
                self._journal.add(kind, t, **fields)
            case Heard(data, seconds, how, t, packets):
                self._journal.add_speech(data, seconds, how, t, packets)
            case ReplyBegin(mode):
                self._reply, self._reply_mode = [], mode
                self._journal.add("reply-begin")
            case ReplyEnd(cut):
                self._journal.add_reply(self._reply or [], self._reply_mode, cut=cut)
                self._reply = None

    def _account_for_the_rest(self) -> None:
        """The connection is gone: the journal still gets what it should know."""
        for action in (*self._waiting, *self._protocol.lost(time.monotonic())):
            if isinstance(action, Note | Heard):
                self._write_down(action)
        if self._reply is not None:
            self._write_down(ReplyEnd(cut=True))
