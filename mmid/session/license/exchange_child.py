"""The child process of ``exchange``: does one HTTPS request and ends.

Reads one JSON object from standard input and prints one to standard output.
Everything heavy is imported here and is gone with the process.
"""

import http.client
import json
import math
import re
import signal
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import Message as Headers
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from mmid import __version__
from mmid.errors import CloudError, ConnectionLost, HttpFailed, MalformedMessage, TlsFailed
from mmid.session.license.codec import compact
from mmid.session.license.messages import (
    ExchangeReply,
    ExchangeRequest,
    Refusal,
    reply_to_plain,
)
from mmid.session.license.protocol import envelope_data, open_reply, printable, request_body

__all__ = ["answer", "main"]

# The longest answer in the vendor's logs has 717 bytes.
_ANSWER_LIMIT = 64 * 1024
# Time after its deadline at which the child ends even if its parent died.
_GRACE_S = 5


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: Headers
    body: bytes
    clock_skew_ms: int | None


class _RefuseRedirect(urllib.request.HTTPRedirectHandler):
    """A signed request goes where the settings say and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        """Make every redirect an ordinary failure."""


def main() -> int:
    """Read the request, print what came of it, and return the exit status."""
    question = json.load(sys.stdin)
    timeout_s = float(question["timeout_s"])
    signal.alarm(math.ceil(timeout_s) + _GRACE_S)
    request = ExchangeRequest.from_plain(question["request"])
    plain: Mapping[str, Any]
    try:
        plain = reply_to_plain(answer(request, timeout_s))
    except CloudError as error:
        plain = {"failure": error.code, "message": str(error)}
    json.dump(plain, sys.stdout)
    return 0


def answer(request: ExchangeRequest, timeout_s: float) -> ExchangeReply:
    """Ask the license service, and understand what it says.

    Raises:
        ConnectionLost: no connection, or no answer in time.
        TlsFailed: the server's certificate or TLS is not acceptable.
        HttpFailed: the answer is not one of a license service.
        MalformedMessage: the answer is for somebody else or cannot be opened.
    """
    response = _post(request, compact(request_body(request)), timeout_s)
    where = f"The license service at {_address(request.url)} answered HTTP {response.status}"
    try:
        data = envelope_data(json.loads(response.body))
    except (ValueError, RecursionError):
        raise HttpFailed(f"{where} with a body that is not JSON") from None
    except MalformedMessage as error:
        raise HttpFailed(f"{where}: {error}") from None
    if isinstance(data, Refusal) and _from_service(response, data):
        request_id = data.request_id or printable(response.headers.get("x-request-id", ""))
        return replace(data, request_id=request_id, clock_skew_ms=response.clock_skew_ms)
    if isinstance(data, Refusal):
        raise HttpFailed(f"{where}: {data.code} {data.message}")
    if response.status != HTTPStatus.OK:
        raise HttpFailed(where)
    return replace(open_reply(request, data), clock_skew_ms=response.clock_skew_ms)


def _from_service(response: _Response, refusal: Refusal) -> bool:
    """Tell a refusal from a gateway's words of the same shape: its codes have not 6 digits."""
    return response.status == HTTPStatus.OK or bool(re.fullmatch(r"[0-9]{6}", refusal.code))


def _post(request: ExchangeRequest, body: bytes, timeout_s: float) -> _Response:
    if not request.url.startswith("https://"):
        raise HttpFailed(f"{_address(request.url)} is not an https:// address")
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=_tls(request.ca_file)), _RefuseRedirect()
    )
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": f"mmid/{__version__}",
    }
    try:
        post = urllib.request.Request(request.url, body, headers, method="POST")  # noqa: S310 - https
        sent_ms = _now_ms()
        with _open(opener, post, timeout_s) as response:
            received_ms = _now_ms()
            return _Response(
                status=response.status or 0,
                headers=response.headers,
                body=_read(response, request.url),
                clock_skew_ms=_clock_skew_ms(response.headers, (sent_ms + received_ms) // 2),
            )
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failure(error, request.url) from None


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise TlsFailed(f"The CA file {ca_file} cannot be used: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _open(
    opener: urllib.request.OpenerDirector, post: urllib.request.Request, timeout_s: float
) -> http.client.HTTPResponse | urllib.error.HTTPError:
    """Return the response, also one with the status of a failure: it may hold a license code."""
    try:
        response: http.client.HTTPResponse = opener.open(post, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        return error
    return response


def _read(response: http.client.HTTPResponse | urllib.error.HTTPError, url: str) -> bytes:
    body = response.read(_ANSWER_LIMIT + 1)
    left: int | None = response.length  # the library says so only if it read without a limit
    if left and len(body) <= _ANSWER_LIMIT:
        raise http.client.IncompleteRead(body, left)
    if len(body) > _ANSWER_LIMIT:
        raise HttpFailed(
            f"The license service at {_address(url)} answered with more than {_ANSWER_LIMIT} bytes"
        )
    return body


def _failure(error: Exception, url: str) -> CloudError:
    """Return what an exception of the HTTP client means to us."""
    reason = getattr(error, "reason", None) if isinstance(error, urllib.error.URLError) else error
    where = f"The license service at {_address(url)}"
    if isinstance(reason, ssl.SSLError) and not isinstance(
        reason, ssl.SSLEOFError | ssl.SSLZeroReturnError
    ):
        text = getattr(reason, "verify_message", "") or reason.reason or reason
        return TlsFailed(f"{where} cannot be trusted: {printable(text)}")
    if isinstance(reason, OSError | http.client.IncompleteRead):
        text = getattr(reason, "strerror", None) or reason
        return ConnectionLost(f"{where} cannot be reached or closed early: {printable(text)}")
    return HttpFailed(f"{where} does not speak HTTP, or its URL is wrong: {printable(error)}")


def _clock_skew_ms(headers: Headers, our_ms: int) -> int | None:
    """Return the service's clock minus ours.

    The service stamps arrival and start of its answer in milliseconds; a relay
    may leave only ``date``, in whole seconds.
    """
    stamps = [headers.get(name, "") for name in ("req-arrive-time", "resp-start-time")]
    moments = [int(stamp) for stamp in stamps if re.fullmatch(r"[0-9]{13}", stamp)]
    if not moments:
        try:
            moments = [int(parsedate_to_datetime(headers["date"]).timestamp() * 1000) + 500]
        except (TypeError, ValueError):
            return None
    return sum(moments) // len(moments) - our_ms


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _address(url: str) -> str:
    """Return a URL for messages: without a user, password or query, which may be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a URL that cannot be parsed"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


if __name__ == "__main__":
    sys.exit(main())
