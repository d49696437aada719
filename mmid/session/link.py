"""One WebSocket connection: TLS, limits, back-pressure.

The only module of the session that touches the network. It knows frames, not
what they mean.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)
from websockets.protocol import State

from mmid.errors import (
    ConnectionLost,
    MalformedMessage,
    MmidError,
    SettingsInvalid,
    TlsFailed,
    certificate_advice,
)
from mmid.session.bounded_connection import CLOSE_S, UNSENT_BYTES, BoundedConnection, Take
from mmid.session.endpoint import CredentialRefused, Endpoint, LinkClosed, unforeseen
from mmid.session.proxy import NEXT_ADDRESS_S, Proxy, proxy_for
from mmid.session.tls import Tls

# Status codes of a close that say "you sent nonsense", "too much" or "it was too big".
_TOO_MUCH = 1008
_TOO_BIG = 1009
_NONSENSE_CODES = frozenset({1002, 1003, 1007, _TOO_MUCH, _TOO_BIG})


class Link:
    """An open connection. Whoever sends asks ``writable`` first; receiving is for one task."""

    def __init__(self, connection: BoundedConnection, tls: Tls, message_limit_bytes: int) -> None:
        self._connection = connection
        self._tls = tls
        self._message_limit_bytes = message_limit_bytes

    @property
    def writable(self) -> bool:
        """Whether the network takes another frame now."""
        return not self._connection.paused

    def on_writable(self, act: Callable[[], None]) -> None:
        """Have this called whenever the network, which took no more, takes frames again."""
        self._connection.on_writable = act

    def send(self, frame: str | bytes) -> None:
        """Send one frame, at once.

        websockets' own ``send`` would have to be awaited: a task and a turn of the loop for each
        chunk of speech, a tenth of a dialog's CPU. A frame that comes while the connection ends
        goes nowhere; ``receive`` tells how it ended.
        """
        protocol = self._connection.protocol
        if protocol.state is not State.OPEN:
            return
        if isinstance(frame, str):
            protocol.send_text(frame.encode())
        else:
            protocol.send_binary(frame)
        self._connection.send_data()

    async def drain(self) -> None:
        """Wait until the network takes more frames, or the connection has ended."""
        with suppress(OSError):
            await self._connection.drain()

    async def receive(self, take: Take) -> None:
        """Hand each message to ``take`` the moment it arrives; return when that wants no other.

        What arrives before the next call waits, and after a few messages in the cloud.

        Args:
            take: gets a message; returns whether the next one may come. What it raises ends
                the call.

        Raises:
            LinkClosed: the connection has ended.
            MalformedMessage: the cloud broke the rules of WebSocket, or sent too much at once.
        """
        try:
            await self._connection.receive(take)
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
        self._tls.keep_session(self._connection.ssl_object)
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close()
        except TimeoutError:
            self._connection.transport.abort()


class _HandsShaken(Exception):
    """TLS is up, and that was all we wanted to know."""


class _Rehearsal(ClientConnection):
    """A connection that goes no further than TLS."""

    async def handshake(self, *_: Any, **__: Any) -> None:
        """Ask for no upgrade."""
        raise _HandsShaken


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
    connection = await _connect(endpoint, tls, timeout_s, BoundedConnection)
    return Link(cast("BoundedConnection", connection), tls, endpoint.message_limit_bytes)


async def rehearse(
    endpoint: Endpoint,
    tls: Tls,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Go the whole way to the cloud, up to the end of the TLS handshake; nothing is asked there.

    Args:
        endpoint: where to; its headers are looked at, and not sent.
        tls: how the server is trusted.
        timeout_s: longest time for TCP and TLS together.
        environment: names the proxy; None for that of this process.

    Raises:
        TlsFailed, ConnectionLost, SettingsInvalid: as from ``open_link``.
    """
    with suppress(_HandsShaken):
        await _connect(endpoint, tls, timeout_s, _Rehearsal, environment)


async def _connect(
    endpoint: Endpoint,
    tls: Tls,
    timeout_s: float,
    kind: type[ClientConnection],
    environment: Mapping[str, str] | None = None,
) -> ClientConnection:
    _check_headers(endpoint.headers)
    proxy = proxy_for(endpoint.url, environment)
    context = await asyncio.to_thread(tls.context)
    # A SOCKS proxy's library does not know this option, and looks the name up itself.
    socks = proxy is not None and proxy.scheme.startswith("socks")
    more: dict[str, Any] = {} if socks else {"happy_eyeballs_delay": NEXT_ADDRESS_S}
    try:
        async with asyncio.timeout(timeout_s):
            return await _ConnectHere(
                endpoint.url,
                ssl=context,
                compression=None,
                additional_headers=dict(endpoint.headers),
                user_agent_header=None,
                proxy=proxy.url if proxy else None,
                open_timeout=None,
                ping_interval=None,
                close_timeout=CLOSE_S,
                max_size=endpoint.message_limit_bytes,
                write_limit=UNSENT_BYTES,
                logger=_websockets_log(),
                create_connection=kind,
                **more,
            )
    except TimeoutError as error:
        tls.forget_session()
        raise ConnectionLost(f"no connection to {endpoint.shown} in {timeout_s:g} s") from error
    except _HandsShaken:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the other side does to the library
        tls.forget_session()
        told = _open_error(endpoint.shown, error, proxy)
        # The text of a library about a proxy may hold its address, and with it its password.
        raise told from None if proxy else error


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


def _open_error(shown: str, error: Exception, proxy: Proxy | None) -> MmidError:
    told: MmidError
    way = f"{shown} through {proxy.shown}" if proxy else shown
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        advice = "Somebody answers, but not as the cloud: check cloud.ws_url; mmid tries again."
        told = ConnectionLost(f"{shown} answered the upgrade with HTTP {status}", advice=advice)
        if status in {401, 403}:
            told = CredentialRefused(shown, status)
    elif isinstance(error, ssl.SSLCertVerificationError):
        text = f"the certificate of {shown} is not acceptable: {error.verify_message}"
        told = TlsFailed(text, advice=certificate_advice(error.verify_code))
    elif isinstance(error, ssl.SSLError):
        told = TlsFailed(f"TLS with {shown} failed: {error.reason or type(error).__name__}")
    elif proxy and isinstance(error, ImportError):
        what = "is a SOCKS proxy, which needs the Python package python-socks"
        text = f"{proxy.variable} of the environment {what}"
        told = SettingsInvalid(text, advice="Install it, or name a proxy that is none of SOCKS.")
    elif isinstance(error, OSError | WebSocketException):
        what = repr(error)
        if isinstance(error, ProxyError):
            what = str(error)
        elif isinstance(error, InvalidURI):  # its text holds the URL, and a query may be secret
            what = error.msg
        told = ConnectionLost(f"no connection to {way}: {what}")
    else:
        told = unforeseen(f"what {way} answered", error)
    return told


def _check_headers(headers: Mapping[str, str]) -> None:
    """Refuse what cannot be a header: a line end in a key would begin another one."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise SettingsInvalid(
                f"the header {name} would hold more than printable ASCII",
                advice="Look at the key it is made of: license.api_key, or what the license "
                "service or a relay gives.",
            )


def _websockets_log() -> logging.Logger:
    """Keep the library's log out of ours: at level debug it prints headers and frames."""
    quiet = logging.getLogger("mmid.session.link.websockets")
    quiet.setLevel(logging.ERROR)
    return quiet
