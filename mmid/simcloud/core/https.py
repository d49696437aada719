"""HTTPS for the simulated clouds: one POST, one answer, and nothing that a bad client can block.

One port for all clouds, a path a request. Clients are waited for in threads, so that
one which says nothing holds up nobody; a cloud is asked by one thread at a time.
"""

import asyncio
import http.server
import re
import socket
import ssl
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from http import HTTPStatus
from typing import Any, TypeVar

from mmid.simcloud.core.faults import FaultPlan, ReadFault
from mmid.simcloud.core.journal import Journal

_BODY_LIMIT = 64 * 1024
_READ_LIMIT = 16 * _BODY_LIMIT
_CONNECTION_LIMIT = 32
# A client that says nothing for so long is cut off.
_SILENCE_S = 10.0
# How soon the listening thread sees that it shall stop.
_POLL_S = 0.1

_CONTENT = {"application/json", "application/x-www-form-urlencoded"}

_Result = TypeVar("_Result")


@dataclass(slots=True)
class Answer:
    """What to answer: JSON, and headers beside the usual ones."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One POST.

    Attributes:
        path: of the URL.
        query: of the URL, without the question mark.
        body: all of it.
        client: the address it came from.
        headers: as they came; names are found in lower and in upper case.
        faults: those of the cloud's own that strike now.
    """

    path: str
    query: str
    body: bytes
    client: str
    headers: Message
    faults: tuple[ReadFault, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpsRoute:
    """One request that a cloud answers.

    Attributes:
        moment: its name for faults.
        handle: makes the answer.
        plan: the cloud's faults.
    """

    moment: str
    handle: Callable[[Call], Answer]
    plan: FaultPlan


class HttpsServer(http.server.ThreadingHTTPServer):
    """One thread a connection, at most ``_CONNECTION_LIMIT``; TLS begins in that thread.

    Args:
        address: host and port to listen on; port 0 is any free one.
        tls: the TLS server context.
        routes: the requests by path.
        journal: where faults are written down.
        loop: where the clouds are asked; None asks them in the client's thread, one at
            a time, for a test without a loop.

    Raises:
        OSError: the address cannot be listened on.
    """

    request_queue_size = _CONNECTION_LIMIT

    def __init__(
        self,
        address: tuple[str, int],
        tls: ssl.SSLContext,
        routes: Mapping[str, HttpsRoute],
        journal: Journal,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._routes = routes
        self._journal = journal
        self._loop = loop
        self._tls = tls
        self._lock = threading.Lock()
        # ThreadingHTTPServer alone would start a thread for every connection there is.
        self._free = threading.BoundedSemaphore(_CONNECTION_LIMIT)
        self._stopping = threading.Event()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6  # the base class binds IPv4 unless told
        super().__init__(address, _Handler)

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(
            target=self.serve_forever, args=(_POLL_S,), name="simcloud-https", daemon=True
        ).start()

    def stop(self) -> None:
        """Stop listening; answers held back go out at once. Blocks for a moment."""
        self._stopping.set()
        self.shutdown()
        self.server_close()

    def answer(self, call: Call) -> Answer | None:
        """Return the answer to a request, spoilt as the faults want it; None closes."""
        route = self._routes.get(call.path)
        if route is None:
            return Answer(HTTPStatus.NOT_FOUND, b'{"message":"no such path"}')
        faults = {read.name: read for read in self._in_turn(lambda: self._due(route))}
        # The wait is here, in the client's own thread, so that it delays nobody else.
        if "delay" in faults:
            self._stopping.wait(int(faults["delay"].arguments[0]) / 1000)
        if "drop" in faults:
            return None
        struck = replace(call, faults=tuple(faults.values()))
        answer = self._in_turn(lambda: route.handle(struck))
        # From here on the cloud has done what was asked; only what the client hears is spoilt.
        if "http" in faults:
            answer.status = int(faults["http"].arguments[0])
        if "body" in faults:
            answer.body = "".join(faults["body"].arguments).encode()
        return None if "lose" in faults else answer

    def _due(self, route: HttpsRoute) -> list[ReadFault]:
        due = route.plan.due(route.moment)
        for read in due:
            self._journal.add("fault", when=route.moment, do=str(read))
        return due

    def _in_turn(self, work: Callable[[], _Result]) -> _Result:
        """Do something with a cloud while nobody else does."""
        if self._loop is None:
            with self._lock:
                return work()

        async def in_loop() -> _Result:
            return work()

        return asyncio.run_coroutine_threadsafe(in_loop(), self._loop).result(_SILENCE_S)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, or close it if there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the TLS handshake here, where a silent client holds up nobody else."""
        plain: socket.socket = request
        plain.settimeout(_SILENCE_S)
        try:
            with self._tls.wrap_socket(plain, server_side=True) as connection:
                super().finish_request(connection, client_address)
        except OSError:
            return  # it left, or does not trust us: its business, and its log


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = _SILENCE_S
    server: HttpsServer

    def do_POST(self) -> None:
        """Read one request and write its answer, in one chunk as the real services do."""
        given = self.headers.get("Content-Length", "")
        length = int(given) if re.fullmatch(r"[0-9]{1,9}", given) else None
        # Also what is refused is read: closing on unread bytes would destroy the answer.
        content = self.rfile.read(min(length or 0, _READ_LIMIT))
        if length != 0 and self.headers.get_content_type() not in _CONTENT:
            self._fail(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif length is None:
            self._fail(HTTPStatus.LENGTH_REQUIRED)
        elif length > _BODY_LIMIT:
            self._fail(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            path, _, query = self.path.partition("?")
            call = Call(path, query, content, self.client_address[0], self.headers)
            answer = self.server.answer(call)
            if answer is None:
                self.close_connection = True
            else:
                self._write(answer)

    def _fail(self, status: HTTPStatus) -> None:
        self.send_error(status)
        self.close_connection = True

    def _write(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        headers = {
            "date": self.date_time_string(),
            "content-type": "application/json",
            "transfer-encoding": "chunked",
            "x-request-id": str(uuid.uuid4()),
        }
        if 300 <= answer.status < 400:
            # A redirect to itself: a client that follows redirects would never end.
            headers["location"] = self.path
        for name, value in {**headers, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.body:
            self.wfile.write(f"{len(answer.body):x}\r\n".encode() + answer.body + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing: the journal does."""
