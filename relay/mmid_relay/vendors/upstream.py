"""One POST to a vendor, and what can become of it.

All vendors are asked by this, over connections that stay open: TLS checked, redirects refused
(a signed request goes where the settings say), one total time-out, 64 KiB of answer at most,
sent once and never again.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from yarl import URL

from mmid_relay.metrics import CIRCUIT_OPEN, UPSTREAM_SECONDS
from mmid_relay.problems import Kind, Problem
from mmid_relay.settings import SettingsInvalid
from mmid_relay.small_file import require_regular_file
from mmid_relay.vendors.circuit import Circuit

_ANSWER_LIMIT = 64 * 1024
# Vendors' answers have a handful. Python reads hundreds, one in another, and fails to write them
# again where its stack is deeper.
_MOST_BRACKETS = 200
# To connect, and for TLS: each of them.
_SOON_S = 2.0
# So many requests to a vendor at a time; the others wait in line here. A vendor that answers in
# 50 ms is asked 1000 times a second by so many.
_AT_ONCE = 50
# With what the vendor may take then (18 s) it is less than the 30 s that a board waits.
_LINE_S = 10.0

_NOT_REACHED = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
)

# What a gateway says when there is nobody behind it.
_AWAY = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Answer:
    """What a vendor answered.

    Attributes:
        status: the HTTP status.
        document: the JSON object.
        date: its ``date`` header, or empty.
    """

    status: int
    document: dict[str, Any]
    date: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether HTTP calls it a success."""
        return 200 <= self.status < 300


class Connections:
    """The connections to all vendors; they stay open between requests.

    Args:
        ca_file: whose certificates are trusted; empty for those of the system.

    Raises:
        SettingsInvalid: ``server.ca_file`` cannot be used.
    """

    def __init__(self, ca_file: str) -> None:
        try:
            if ca_file:
                require_regular_file(ca_file)
            self._tls = ssl.create_default_context(cafile=ca_file or None)
        except (OSError, ValueError):
            raise SettingsInvalid(f"server.ca_file: {ca_file} holds no certificates") from None
        self._session: aiohttp.ClientSession | None = None
        proxy = getproxies_environment().get("https", "")
        # Without a scheme it is http, as to curl and to the boards.
        self._proxy = proxy if "://" in proxy or not proxy else f"http://{proxy}"

    @property
    def session(self) -> aiohttp.ClientSession:
        """The library's connections: made with the first request, for they need its loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # No limit: the lines before it are the limit.
                connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            )
        return self._session

    def proxy(self, host: str) -> str | None:
        """Return the proxy that the environment names for a vendor.

        The library's own look at it also reads a file for each request, in a thread.
        """
        if not self._proxy or proxy_bypass(host):
            return None
        return self._proxy

    async def aclose(self) -> None:
        """Close them all."""
        if self._session is not None:
            await self._session.close()


class Upstream:
    """A vendor's server.

    Args:
        name: what it is called in metrics and messages.
        connections: shared by all vendors.
        timeout_s: longest wait for an answer; connecting has 2 s more, a step.
        now: monotonic clock, s.
    """

    def __init__(
        self,
        name: str,
        connections: Connections,
        timeout_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.circuit = Circuit(now)
        self._connections = connections
        self._timeout_s = timeout_s
        self._now = now
        self._line = asyncio.Semaphore(_AT_ONCE)
        self._stopped = False

    def stop(self) -> None:
        """Send no more: what waits in line could not be answered in the time that a stop has."""
        self._stopped = True

    async def post(self, url: str, *, headers: Mapping[str, str], content: bytes) -> Answer:
        """Send a request once and return the answer, whatever its status.

        Raises:
            Problem: there is none, or none that can be read.
        """
        # Who has waited is told at once if the vendor went away meanwhile.
        await self._wait_in_line()
        try:
            return await self._send(url, headers, content)
        finally:
            self._line.release()

    async def _wait_in_line(self) -> None:
        try:
            await asyncio.wait_for(self._line.acquire(), _LINE_S)
        except TimeoutError:
            raise Problem(
                Kind.BUSY,
                f"Too many requests wait for {self.name}; nothing was sent.",
                retry_after_s=_LINE_S,
            ) from None

    async def _send(self, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        if self._stopped:
            raise Problem(
                Kind.BUSY, "The relay is being stopped; nothing was sent.", retry_after_s=5
            )
        if not self.circuit.admits():
            raise Problem(
                Kind.VENDOR_AWAY,
                f"{self.name} was away at the last attempts and is not asked for a moment.",
                retry_after_s=self.circuit.wait_s,
            )
        began, outcome = self._now(), "cancelled"
        try:
            answer = await self._ask(url, headers, content)
        except Problem as problem:
            outcome = problem.kind.slug
            if problem.kind is Kind.VENDOR_NONSENSE:
                self.circuit.succeeded()
            else:
                self.circuit.failed()
            raise
        else:
            outcome = "answered"
            self.circuit.succeeded()
            return answer
        finally:
            UPSTREAM_SECONDS.labels(self.name, outcome).observe(self._now() - began)
            CIRCUIT_OPEN.labels(self.name).set(self.circuit.is_open)

    async def _ask(self, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        soon_s = min(_SOON_S, self._timeout_s / 2)
        timeout = aiohttp.ClientTimeout(
            total=self._timeout_s + 2 * soon_s, connect=2 * soon_s, sock_connect=soon_s
        )
        # As it was signed: the library would write some characters in another way.
        target = URL(url, encoded=True)
        request = self._connections.session.post(
            target,
            data=content,
            proxy=self._connections.proxy(target.host or ""),
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
        )
        try:
            async with request as response:
                return self._understood(response, await self._read(response))
        except (aiohttp.ClientError, OSError) as error:  # a time-out is an OSError
            raise self._failure(error) from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > _ANSWER_LIMIT:
                raise self._nonsense("with more than 64 KiB")
        return bytes(body)

    def _understood(self, response: aiohttp.ClientResponse, body: bytes) -> Answer:
        if 300 <= response.status < 400:
            raise self._nonsense("with a redirect, which is not followed")
        document = _document(body)
        if isinstance(document, dict) and response.status not in _AWAY:
            return Answer(response.status, document, response.headers.get("date", ""))
        if response.status >= 500:
            raise Problem(
                Kind.VENDOR_AWAY,
                f"{self.name} answered HTTP {response.status}.",
                retry_after_s=5,
                sent=True,
            )
        raise self._nonsense("with no JSON object")

    def _nonsense(self, how: str) -> Problem:
        return Problem(
            Kind.VENDOR_NONSENSE, f"{self.name} answered {how}.", retry_after_s=30, sent=True
        )

    def _slow(self) -> Problem:
        return Problem(
            Kind.VENDOR_SLOW,
            f"{self.name} gave no answer in time; what it did is not known.",
            retry_after_s=5,
            sent=True,
        )

    def _failure(self, error: Exception) -> Problem:
        """Return what went wrong; the library's own text may name this server's files and hosts."""
        if isinstance(error, aiohttp.ClientSSLError):
            return Problem(
                Kind.VENDOR_NOT_TRUSTED,
                f"The certificate of {self.name} cannot be trusted; nothing was sent.",
                retry_after_s=60,
            )
        if isinstance(error, _NOT_REACHED):
            return Problem(
                Kind.VENDOR_AWAY,
                f"{self.name} cannot be reached; nothing was sent.",
                retry_after_s=5,
            )
        if isinstance(error, TimeoutError):
            return self._slow()
        return Problem(
            Kind.VENDOR_AWAY,
            f"{self.name} broke the connection; what it did is not known.",
            retry_after_s=5,
            sent=True,
        )


def _document(body: bytes) -> Any:
    """Return what an answer says in JSON; None if a device could not be told it in JSON.

    Python's reader takes NaN, which is no JSON, and half a surrogate pair, which no UTF-8 has.
    """
    if body.count(b"{") + body.count(b"[") > _MOST_BRACKETS:
        return None
    try:
        document = json.loads(body)
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return None
    return document
