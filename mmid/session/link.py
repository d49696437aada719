"""One WebSocket connection: TLS, limits, one writer, one reader.

The only module of the session that touches the network. It knows frames, not
what they mean.
"""

import asyncio
import logging
import socket
import ssl

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidProxy,
    InvalidStatus,
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
from mmid.frozen import frozen
from mmid.secrets import Secret
from mmid.session.license.keeper import TokenRefused
from mmid.session.proxy import environment_names_proxy
from mmid.session.tls import Tls

__all__ = ["Link", "LinkOptions", "open_link"]


# A text repeats the whole reply so far, so it grows with it; a mebibyte is a
# reply of hours, and what is larger is not a reply.
_MESSAGE_LIMIT = 1 << 20

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

# Status codes of a close that say "you sent nonsense" or "it was too big".
_TOO_BIG = 1009
_NONSENSE_CODES = frozenset({1002, 1003, 1007, _TOO_BIG})


@frozen
class LinkOptions:
    """How to connect.

    Attributes:
        url: a ``wss`` URL.
        tls: how the server is trusted, shared by all connections to it.
        timeout_s: longest time for TCP, TLS and the upgrade together.
    """

    url: str
    tls: Tls
    timeout_s: float


class Link:
    """An open connection. Sending is for one task, receiving for another."""

    def __init__(self, connection: ClientConnection, tls: Tls) -> None:
        self._connection = connection
        self._tls = tls

    async def send(self, frame: str | bytes) -> None:
        """Send one frame; waits while the network does not take it.

        Raises:
            MmidError: the connection is gone; see ``closed_error``.
        """
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise closed_error(error) from error

    async def receive(self) -> str | bytes:
        """Wait for the next frame.

        Raises:
            MmidError: the connection has ended, and how; see ``closed_error``.
        """
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise closed_error(error) from error

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


async def open_link(options: LinkOptions, token: Secret) -> Link:
    """Connect with ``Authorization: Bearer``.

    Raises:
        TokenRefused: the service does not accept the token.
        TlsFailed: the certificate, the host name or the TLS version is not acceptable.
        ConnectionLost: no connection in time, or no WebSocket at the other end.
        SettingsInvalid: the CA file or the proxy cannot be used.
    """
    try:
        return await _open(options, token)
    except TlsFailed as error:
        if not options.tls.know_more(error.__cause__):
            raise
    return await _open(options, token)


async def _open(options: LinkOptions, token: Secret) -> Link:
    context = await options.tls.context()
    try:
        async with asyncio.timeout(options.timeout_s):
            connection = await _ConnectHere(
                options.url,
                ssl=context,
                compression=None,
                additional_headers={"Authorization": f"Bearer {token.reveal()}"},
                user_agent_header=None,
                proxy=True if environment_names_proxy() else None,
                open_timeout=None,
                ping_interval=None,
                close_timeout=_CLOSE_S,
                max_size=_MESSAGE_LIMIT,
                max_queue=_QUEUED_FRAMES,
                write_limit=_UNSENT_BYTES,
                logger=_websockets_log(),
            )
    except TimeoutError as error:
        options.tls.forget_session()
        raise ConnectionLost(
            f"no connection to {options.url} in {options.timeout_s:g} s"
        ) from error
    except (OSError, WebSocketException, ImportError, ValueError) as error:
        options.tls.forget_session()
        told = _open_error(options.url, error)
        # The text of a bad proxy holds its address, and with it its password.
        raise told from None if isinstance(told, SettingsInvalid) else error
    _tune(connection)
    return Link(connection, options.tls)


def closed_error(error: ConnectionClosed) -> ConnectionLost | MalformedMessage:
    """Say how a connection ended: the peer's nonsense, or just the end.

    A reason over 123 bytes breaks the protocol and reaches us as our own
    1002; nothing can be learned from it, so it counts as an ordinary end.
    """
    sent, received = error.sent, error.rcvd
    if sent is not None and not error.rcvd_then_sent and sent.code in _NONSENSE_CODES:
        what = "larger than 1 MiB" if sent.code == _TOO_BIG else "that is not allowed"
        if "control frame too long" not in sent.reason:
            return MalformedMessage(f"the cloud sent a message {what} ({sent.code} {sent.reason})")
    if received is None:
        return ConnectionLost("the connection broke")
    reason = f": {received.reason}" if received.reason else ""
    return ConnectionLost(f"the cloud closed the connection with {received.code}{reason}")


def _open_error(url: str, error: Exception) -> MmidError:
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status in {401, 403}:
            return TokenRefused(f"{url} refused the token (HTTP {status})", str(status))
        return ConnectionLost(f"{url} answered the upgrade with HTTP {status}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsFailed(f"the certificate of {url} is not acceptable: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return TlsFailed(f"TLS with {url} failed: {error.reason or error!r}")
    if isinstance(error, InvalidProxy | ImportError | ValueError):
        return SettingsInvalid(f"https_proxy of the environment {_proxy_fault(error)}")
    what = str(error) if isinstance(error, ProxyError) else repr(error)
    return ConnectionLost(f"no connection to {url}: {what}")


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
