"""One POST over HTTPS: what is sent to the license service or a relay, and how it is protected.

HTTPS only, certificate and host checked, redirects refused, an answer of 64 KiB
at most; a client certificate and further headers where a relay wants them;
proxies as the environment says. Knows no license.
"""

import asyncio
import base64
import http.client
import os
import re
import socket
import ssl
import time
from contextlib import closing
from datetime import UTC
from email.message import Message as Headers
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from mmid import __version__
from mmid.errors import (
    CloudError,
    ConnectionLost,
    HttpFailed,
    SettingsInvalid,
    TlsFailed,
    certificate_advice,
)
from mmid.frozen import frozen
from mmid.regular_file import LONGEST_PEM_BYTES, require_regular_file
from mmid.secrets import shown_url
from mmid.session.license.messages import BODY_LIMIT, SERVICE_TIMES_MS, HttpsEndpoint
from mmid.session.license.reply_body import printable
from mmid.session.proxy import NEXT_ADDRESS_S, proxy_for
from mmid.session.tls import make_context

# All addresses of a name together; what is left of the request's time is for the answer.
_CONNECT_S = 15.0

# For the body, where the headers came at the last moment: it is mostly there with them.
_LEAST_S = 0.5


@frozen
class Response:
    """What came back.

    Attributes:
        status: the HTTP status.
        headers: all headers.
        body: all of it, or what came before it was cut.
        our_ms: our clock when the answer came, Unix ms.
        cut: why the body is shorter than its headers say; None if it is not.
    """

    status: int
    headers: Headers
    body: bytes
    our_ms: int
    cut: CloudError | None = None

    @property
    def succeeded(self) -> bool:
        """Whether HTTP calls it a success."""
        return 200 <= self.status < 300

    @property
    def charset(self) -> str:
        """The charset in the headers, else empty."""
        return self.headers.get_content_charset("") or ""

    @property
    def clock_skew_ms(self) -> int | None:
        """The server's clock minus ours; None if it did not tell.

        The service stamps arrival and start of its answer in milliseconds; a relay
        may leave only ``date``, in whole seconds.
        """
        stamps = [self.headers.get(name, "") for name in ("req-arrive-time", "resp-start-time")]
        moments = [int(stamp) for stamp in stamps if re.fullmatch(r"[0-9]{13}", stamp)]
        if not moments:
            try:
                date = parsedate_to_datetime(self.headers["date"])
                # Always UTC, though its oldest form does not say so (RFC 9110 section 5.6.7).
                moments = [int(date.replace(tzinfo=date.tzinfo or UTC).timestamp() * 1000) + 500]
            except (TypeError, ValueError, OverflowError, IndexError, AttributeError):
                return None
        if any(moment not in SERVICE_TIMES_MS for moment in moments):
            return None
        return sum(moments) // len(moments) - self.our_ms

    @property
    def retry_after_s(self) -> float | None:
        """How long the server asks us to stay away, in seconds; None if it does not.

        In seconds alone, as every server of this kind says it: a date would need its clock.
        """
        told = self.headers.get("retry-after", "").strip()
        return float(told) if re.fullmatch(r"[0-9]{1,9}", told) else None


def post(endpoint: HttpsEndpoint, body: bytes, timeout_s: float) -> Response:
    """Send a body of JSON; return the answer, whatever its status.

    Args:
        endpoint: whom to ask, and with what proof.
        body: what is sent.
        timeout_s: until the answer's headers are there, for each wait; what is left of it then
            is for each wait for the answer's body.

    Raises:
        ConnectionLost: no connection, or no answer in time.
        TlsFailed: the server's certificate or TLS is not acceptable.
        HttpFailed: it does not speak HTTP, or says too much.
        SettingsInvalid: our certificate or its key cannot be used.
    """
    if not endpoint.url.startswith("https://"):
        raise HttpFailed(f"{shown_url(endpoint.url)} is not an https:// address")
    context = _tls(endpoint)
    deadline = time.monotonic() + timeout_s
    headers = {
        "Accept": "*/*",
        "Connection": "close",
        "Content-Type": "application/json",
        "User-Agent": f"mmid/{__version__}",
    }
    for line in endpoint.headers.reveal().splitlines():
        name, _, value = line.partition(":")
        headers[name.strip()] = value.strip()
    try:
        path = urlsplit(endpoint.url)._replace(scheme="", netloc="").geturl() or "/"
        with closing(_connection(endpoint, context, timeout_s)) as connection:
            sent_ms = _now_ms()
            connection.request("POST", path, body, headers)
            # Of every status: one of a failure may hold a license code. A redirect is not
            # followed: a signed request goes where the settings say and nowhere else.
            connected = connection.sock  # http.client drops it with the headers
            response = connection.getresponse()
            received_ms = _now_ms()
            connected.settimeout(max(_LEAST_S, deadline - time.monotonic()))
            body, cut = _read(response, endpoint)
            our_ms = (sent_ms + received_ms) // 2
            return Response(response.status, response.headers, body, our_ms, cut)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failure(error, endpoint) from None


def _connection(
    endpoint: HttpsEndpoint, context: ssl.SSLContext, timeout_s: float
) -> http.client.HTTPSConnection:
    """Return the connection to ask on, which is made when it is asked."""
    parts, proxy = urlsplit(endpoint.url), proxy_for(endpoint.url)
    host, port = parts.hostname or "", parts.port or 443
    if proxy is None:
        connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPSConnection(
            proxy.host, proxy.port, timeout=timeout_s, context=context
        )
        user = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        connection.set_tunnel(
            host, port, {"Proxy-Authorization": f"Basic {user}"} if proxy.user else {}
        )
    # http.client gives each address all of the time, and tries the second after it.
    connection._create_connection = _connect  # type: ignore[attr-defined]  # noqa: SLF001
    return connection


def _connect(address: tuple[str, int], timeout_s: float, _: object) -> socket.socket:
    """Return a socket to the address of a name that answers first, as the dialog does."""
    return asyncio.run(_first_that_answers(*address, timeout_s))


async def _first_that_answers(host: str, port: int, timeout_s: float) -> socket.socket:
    async with asyncio.timeout(min(timeout_s, _CONNECT_S)):
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, host, port, happy_eyeballs_delay=NEXT_ADDRESS_S
        )
    connected: socket.socket = transport.get_extra_info("socket").dup()
    transport.abort()  # its own descriptor of the socket
    connected.settimeout(timeout_s)
    return connected


def _tls(endpoint: HttpsEndpoint) -> ssl.SSLContext:
    context = make_context(endpoint.ca_file)
    if endpoint.client_cert:
        try:
            for file in filter(None, (endpoint.client_cert, endpoint.client_key)):
                require_regular_file(file, LONGEST_PEM_BYTES)
            # A key with a passphrase is refused: nobody is there to type one.
            context.load_cert_chain(endpoint.client_cert, endpoint.client_key or None, password="")
        except (OSError, ValueError) as error:
            files = " with ".join(filter(None, (endpoint.client_cert, endpoint.client_key)))
            raise SettingsInvalid(
                f"license.client_cert: {files} cannot be used: {_words(error)}"
            ) from None
    return context


def _read(
    response: http.client.HTTPResponse, endpoint: HttpsEndpoint
) -> tuple[bytes, CloudError | None]:
    """Return the body, and why it is not whole if it is not: its JSON may be all the same."""
    body = bytearray()
    try:
        # Byte for byte (the layer below has a buffer): what came before a break is not lost.
        while len(body) <= BODY_LIMIT and (piece := response.read(1)):
            body += piece
    except (OSError, http.client.HTTPException) as error:
        return bytes(body), _failure(error, endpoint)
    if len(body) > BODY_LIMIT:
        raise HttpFailed(f"{_where(endpoint)} answered with more than {BODY_LIMIT} bytes")
    left: int | None = response.length
    cut = _failure(http.client.IncompleteRead(bytes(body), left), endpoint) if left else None
    return bytes(body), cut


def _failure(error: Exception, endpoint: HttpsEndpoint) -> CloudError:
    """Return what an exception of the HTTP client means to us."""
    where = _where(endpoint)
    if isinstance(error, ssl.SSLError) and not isinstance(
        error, ssl.SSLEOFError | ssl.SSLZeroReturnError
    ):
        text = getattr(error, "verify_message", "") or error.reason or error
        code = getattr(error, "verify_code", 0)
        advice = certificate_advice(code) if code else ""
        return TlsFailed(f"{where} cannot be trusted: {printable(text)}", advice=advice)
    if isinstance(error, TimeoutError):
        return ConnectionLost(f"{where} cannot be reached: it timed out")
    if isinstance(error, OSError | http.client.IncompleteRead):
        # asyncio has words of its own beside the number.
        number = getattr(error, "errno", None) or 0
        text = os.strerror(number) if number > 0 else getattr(error, "strerror", None) or error
        return ConnectionLost(f"{where} cannot be reached or closed early: {printable(text)}")
    # Only the kind of it: the library quotes the header or the URL that it does not like.
    kind = type(error).__name__
    return HttpFailed(f"{where} does not speak HTTP, or its URL or a header is wrong ({kind})")


def _where(endpoint: HttpsEndpoint) -> str:
    return f"The {endpoint.whose} at {shown_url(endpoint.url)}"


def _words(error: Exception) -> str:
    """Return why a file cannot be used, in the system's words; a library's own may quote it."""
    return printable(getattr(error, "strerror", None) or type(error).__name__)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
