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
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from mmid_relay.metrics import CIRCUIT_OPEN, UPSTREAM_SECONDS
from mmid_relay.problems import Kind, Problem
from mmid_relay.settings import SettingsInvalid
from mmid_relay.vendors.circuit import Circuit

_ANSWER_LIMIT = 64 * 1024
# To connect, and for TLS: each of them.
_SOON_S = 2.0
# So many requests to a vendor at a time; the others wait in line here. httpx's own line is
# walked with all its connections several times for each request: with 500 in it nothing else
# was done any more. A vendor that answers in 50 ms is asked 1000 times a second by so many.
_AT_ONCE = 50
# With what the vendor may take then it is still less than the 30 s that a board waits.
_LINE_S = 15.0

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


def make_client(ca_file: str) -> httpx.AsyncClient:
    """Return the client that all vendors share.

    Raises:
        SettingsInvalid: ``server.ca_file`` cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError):
        raise SettingsInvalid(f"server.ca_file: {ca_file} holds no certificates") from None
    return httpx.AsyncClient(
        verify=context,
        follow_redirects=False,
        # The lines before it are the limit.
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
    )


class Upstream:
    """A vendor's server.

    Args:
        name: what it is called in metrics and messages.
        client: the connections.
        timeout_s: longest wait for an answer; connecting has 2 s more, a step.
        now: monotonic clock, s.
    """

    def __init__(
        self,
        name: str,
        client: httpx.AsyncClient,
        timeout_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.circuit = Circuit(now)
        self._client = client
        self._timeout_s = timeout_s
        self._now = now
        self._line = asyncio.Semaphore(_AT_ONCE)

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
        # Only httpx's own time-outs: whoever cancels it from outside (asyncio.timeout, a task's
        # cancel) leaves connections in its pool that are never used again, until none is left.
        soon_s = min(_SOON_S, self._timeout_s / 2)
        timeout = httpx.Timeout(soon_s, read=self._timeout_s)
        deadline = self._now() + self._timeout_s + 3 * soon_s
        try:
            request = self._client.build_request(
                "POST", url, headers=headers, content=content, timeout=timeout
            )
            response = await self._client.send(request, stream=True)
            try:
                body = await self._read(response, deadline)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise self._failure(error) from None
        return self._understood(response, body)

    async def _read(self, response: httpx.Response, deadline: float) -> bytes:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > _ANSWER_LIMIT:
                raise self._nonsense("with more than 64 KiB")
            if self._now() > deadline:  # a piece now and then is no answer either
                raise self._slow()
        return bytes(body)

    def _understood(self, response: httpx.Response, body: bytes) -> Answer:
        if 300 <= response.status_code < 400:
            raise self._nonsense("with a redirect, which is not followed")
        document = None
        with suppress(ValueError, RecursionError):
            document = json.loads(body)
        if isinstance(document, dict) and response.status_code not in _AWAY:
            return Answer(response.status_code, document, response.headers.get("date", ""))
        if response.status_code >= 500:
            raise Problem(
                Kind.VENDOR_AWAY,
                f"{self.name} answered HTTP {response.status_code}.",
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

    def _failure(self, error: httpx.HTTPError) -> Problem:
        """Return what went wrong; the library's own text may name this server's files and hosts."""
        if isinstance(error, httpx.ConnectError) and _is_certificate(error):
            return Problem(
                Kind.VENDOR_NOT_TRUSTED,
                f"The certificate of {self.name} cannot be trusted; nothing was sent.",
                retry_after_s=60,
            )
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return Problem(
                Kind.VENDOR_AWAY,
                f"{self.name} cannot be reached; nothing was sent.",
                retry_after_s=5,
            )
        if isinstance(error, httpx.TimeoutException):
            return self._slow()
        return Problem(
            Kind.VENDOR_AWAY,
            f"{self.name} broke the connection; what it did is not known.",
            retry_after_s=5,
            sent=True,
        )


def _is_certificate(error: BaseException | None) -> bool:
    """Whether TLS is at the bottom of a failed connection."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
