"""One WebSocket connection: TLS, limits, one writer, one reader.

The only module of the session that touches the network. It knows frames, not
what they mean.
"""

import asyncio
import logging
import socket
import ssl
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)

from mmid.errors import (
    ConnectionLost,
    MalformedMessage,
    MmidError,
    SettingsInvalid,
    TlsFailed,
)
from mmid.session.endpoint import CredentialRefused, Endpoint, LinkClosed
from mmid.session.proxy import environment_names_proxy
from mmid.session.tls import Tls

# Frames that wait inside websockets before it stops reading the socket: the
# back-pressure that ends at the cloud. Audio frames have about 8000 bytes.
_QUEUED_FRAMES = 4

# The kernel must not hide stale speech either: it holds half a second of
# 16 kHz speech beyond what is in flight.
_UNSENT_BYTES = 16384

# A peer that does not acknowledge what was sent for so long is gone; without
# this the kernel would try for a quarter of an hour.
_UNACKNOWLEDGED_MS = 15_000

_CLOSE_S = 0.5

# A name may have an address that nobody answers at, such as IPv6 without a route. The next one
# is tried beside it after so long (RFC 8305 section 5); whichever answers first is taken.
_NEXT_ADDRESS_S = 0.25

# Status codes of a close that say "you sent nonsense" or "it was too big".
_TOO_BIG = 1009
_NONSENSE_CODES = frozenset({1002, 1003, 1007, _TOO_BIG})


class Link:
    """An open connection. Sending is for one task, receiving for another."""

    def __init__(self, connection: ClientConnection, tls: Tls, message_limit_bytes: int) -> None:
        self._connection = connection
        self._tls = tls
        self._message_limit_bytes = message_limit_bytes

    async def send(self, frame: str | bytes) -> None:
        """Send one frame; waits while the network does not take it.

        Raises:
            LinkClosed: the connection is gone.
            MalformedMessage: the cloud broke the rules of WebSocket, or sent too much at once.
        """
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise _how_it_ended(error, self._message_limit_bytes) from error

    async def receive(self) -> str | bytes:
        """Wait for the next frame.

        Raises:
            LinkClosed: the connection has ended.
            MalformedMessage: the cloud broke the rules of WebSocket, or sent too much at once.
        """
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _how_it_ended(error, self._message_limit_bytes) from error

    async def ping(self) -> None:
        """Ask whether the cloud lives; return with its answer.

        Raises:
            LinkClosed: the connection has ended.
        """
        try:
            await (await self._connection.ping())
        except ConnectionClosed as error:
            raise LinkClosed from error

    async def close(self) -> None:
        """Say goodbye; after half a second just go."""
        self._tls.keep_session(self._connection.transport.get_extra_info("ssl_object"))
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._connection.close()
        except TimeoutError:
            self._connection.transport.abort()


class _ConnectHere(connect):
    """Connects to the URL it was given: a redirect would carry the token elsewhere."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow none."""
        return exc


async def open_link(endpoint: Endpoint, tls: Tls, timeout_s: float) -> Link:
    """Connect.

    Args:
        endpoint: where to, and by which rules.
        tls: how the server is trusted, shared by all connections to it.
        timeout_s: longest time for TCP, TLS and the upgrade together.

    Raises:
        CredentialRefused: the cloud does not accept what the headers prove us with.
        TlsFailed: the certificate, the host name or the TLS version is not acceptable.
        ConnectionLost: no connection in time, or no WebSocket at the other end.
        SettingsInvalid: the CA file or the proxy cannot be used.
    """
    context = await tls.context()
    # A SOCKS proxy's library does not know this option, and looks the name up itself.
    proxied = environment_names_proxy()
    more: dict[str, Any] = {} if proxied else {"happy_eyeballs_delay": _NEXT_ADDRESS_S}
    try:
        async with asyncio.timeout(timeout_s):
            connection = await _ConnectHere(
                endpoint.url,
                ssl=context,
                compression=None,
                additional_headers=dict(endpoint.headers),
                user_agent_header=None,
                proxy=True if proxied else None,
                open_timeout=None,
                ping_interval=None,
                close_timeout=_CLOSE_S,
                max_size=endpoint.message_limit_bytes,
                max_queue=_QUEUED_FRAMES,
                write_limit=_UNSENT_BYTES,
                logger=_websockets_log(),
                **more,
            )
    except TimeoutError as error:
        tls.forget_session()
        raise ConnectionLost(f"no connection to {endpoint.shown} in {timeout_s:g} s") from error
    except (OSError, WebSocketException, ImportError, ValueError) as error:
        tls.forget_session()
        told = _open_error(endpoint.shown, error)
        # The text of a bad proxy holds its address, and with it its password.
        raise told from None if isinstance(told, SettingsInvalid) else error
    _tune(connection)
    return Link(connection, tls, endpoint.message_limit_bytes)


def _how_it_ended(error: ConnectionClosed, limit_bytes: int) -> LinkClosed | MalformedMessage:
    """Say how a connection ended: the peer's nonsense, or just the end.

    Some servers close with a reason over 123 bytes. WebSocket forbids that, so websockets
    ends the connection with a 1002 of its own and keeps nothing of what was said: an
    ordinary end, for a reason that nobody knows.
    """
    sent, received = error.sent, error.rcvd
    if sent is not None and not error.rcvd_then_sent and sent.code in _NONSENSE_CODES:
        too_big = f"larger than {limit_bytes // (1 << 20)} MiB"
        what = too_big if sent.code == _TOO_BIG else "that is not allowed"
        if "control frame too long" not in sent.reason:
            return MalformedMessage(f"the cloud sent a message {what} ({sent.code} {sent.reason})")
    return LinkClosed() if received is None else LinkClosed(received.code, received.reason)


def _open_error(shown: str, error: Exception) -> MmidError:
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status in {401, 403}:
            return CredentialRefused(shown, status)
        return ConnectionLost(f"{shown} answered the upgrade with HTTP {status}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsFailed(f"the certificate of {shown} is not acceptable: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return TlsFailed(f"TLS with {shown} failed: {error.reason or type(error).__name__}")
    if isinstance(error, InvalidProxy | ImportError | ValueError):
        return SettingsInvalid(f"https_proxy of the environment {_proxy_fault(error)}")
    what = repr(error)
    if isinstance(error, ProxyError):
        what = str(error)
    elif isinstance(error, InvalidURI):  # its text holds the URL, and a query may be secret
        what = error.msg
    return ConnectionLost(f"no connection to {shown}: {what}")


def _proxy_fault(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "is a SOCKS proxy, which needs the Python package python-socks"
    fault = error.msg if isinstance(error, InvalidProxy) else "it is no URL"
    return f"cannot be used: {fault}"


def _tune(connection: ClientConnection) -> None:
    sock: socket.socket | None = connection.transport.get_extra_info("socket")
    if sock is None:
        return
    options = (
        (socket.TCP_NODELAY, 1),
        (socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES),
        (socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS),
    )
    for option, value in options:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _websockets_log() -> logging.Logger:
    """Keep the library's log out of ours: at level debug it prints headers and frames."""
    quiet = logging.getLogger("mmid.session.link.websockets")
    quiet.setLevel(logging.ERROR)
    return quiet
