"""Answers of the license service, or of a relay or a proxy, byte for byte.

They go through the HTTP client of the standard library as those of a connection do; only TLS
is left out.
"""

import gzip
import io
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from random import Random
from typing import Any
from unittest.mock import patch

from mmid.secrets import Secret
from mmid.session.license import https_post
from mmid.session.license.exchange_child import answer
from mmid.session.license.messages import ExchangeRequest, HttpsEndpoint, Kind
from tests.fuzz.harness import mutated
from tests.session.dialects.multimodal_dialog.test_mutated_frames import bent
from tests.session.license.test_exchange import DEVICE
from tests.session.license.test_odd_answers import TIME_MS, answer_to, http

ENDPOINT = HttpsEndpoint("https://license.example/register", "")
ASKED = ExchangeRequest(Kind.REGISTER, ENDPOINT, DEVICE, "ab" * 13, int(TIME_MS), Secret("sk-1"))
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

DATES = [
    "Sat, 01 Jan 99999999999999999999 00:00:00 GMT", "Sat, 32 Jan 2026 00:00:00 GMT", "",
    "Tue, 24 Nov 2026 00:00:00 -9999", "\ud83d", "now", "Tue, 24 Nov 0000 99:99:99 GMT",
]  # fmt: skip
HEADERS = [
    *(f"Date: {date}" for date in DATES),
    *(f"req-arrive-time: {stamp}" for stamp in ("0" * 13, "9" * 13, "9" * 400, "-1", "x")),
    "Content-Encoding: gzip", "Transfer-Encoding: chunked", "Content-Type: x; charset=idna",
    "Content-Type: text/html; charset=\"", "Content-Length: -1", "Content-Length: 9" + "9" * 30,
    "x-request-id: " + "\x1b[31m" * 9, ": nothing", "Location: https://elsewhere.example/",
]  # fmt: skip
STATUSES = [
    "200 OK",
    "201 Created",
    "204 No",
    "302 Found",
    "400 Bad",
    "403 No",
    "502 Bad",
    "100 Go",
]
REFUSED = b'{"success":false,"code":"100008","message":"so it is","requestId":"r-1"}'


def invent(dice: Random) -> bytes:
    """Make an answer: a true one, or a refusal, bent as JSON, as a body, and as HTTP."""
    body = dice.choice([answer_to(ASKED), REFUSED, b"[" * 99_000, b""])
    if body.startswith(b"{") and dice.random() < 0.7:
        escaped = dice.random() < 0.5
        text = json.dumps(bent(json.loads(body), dice), ensure_ascii=escaped)
        body = text.encode(errors="surrogatepass")
    how = dice.random()
    if how < 0.2:
        body = gzip.compress(body)
    elif how < 0.4:
        body = mutated(body, dice)
    elif how < 0.5:
        body = body.decode(errors="replace").encode(dice.choice(["utf-16", "utf-8-sig", "utf-32"]))
    head = "".join(f"{one}\r\n" for one in dice.choices(HEADERS, k=dice.choice([0, 1, 3])))
    status, length = dice.choice(STATUSES), dice.choice([None, None, 0, 10, 99_999])
    data = http(body, head.encode(errors="replace").decode(), status, length)
    return mutated(data, dice) if dice.random() < 0.3 else data


class Connection:
    """A socket that has an answer to whatever is sent."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def sendall(self, data: Any) -> None:
        """Forget it."""

    def settimeout(self, _timeout_s: float) -> None:
        """Never wait."""

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._data)

    def close(self) -> None:
        """Do nothing."""


@contextmanager
def answered_with(data: bytes) -> Iterator[None]:
    def connect(self: HTTPSConnection) -> None:
        self.sock = Connection(data)

    with (
        patch.object(HTTPSConnection, "connect", connect),
        patch.object(https_post, "_tls", lambda _: TLS),
        patch.dict("os.environ", {"no_proxy": "*"}),
    ):
        yield


async def take(data: bytes) -> None:
    """Ask for a registration, and get this."""
    news: list[Any] = []
    try:
        with answered_with(data):
            answer(ASKED, 1.0, news.append)
    finally:
        for one in news:  # what goes to the parent, which keeps it
            json.dumps(one).encode()
