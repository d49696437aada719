"""HTTPS for simcloud: one POST, one answer, and nothing that a bad client can block.

Knows TLS and HTTP and no license; ``license_service`` gives it a function that
turns a request into an answer.
"""

import http.server
import re
import socket
import ssl
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

_BODY_LIMIT = 64 * 1024
_READ_LIMIT = 16 * _BODY_LIMIT
_CONNECTION_LIMIT = 32
# A client that says nothing for so long is cut off.
_SILENCE_S = 10.0


@dataclass(slots=True)
class Answer:
    """What to answer; the times go into the headers, Unix ms."""

    status: int
    body: bytes
    arrived_ms: int
    started_ms: int


@dataclass(frozen=True, slots=True)
class Call:
    """One POST.

    Attributes:
        path: of the URL.
        body: all of it.
        client: the address it came from.
        authorization: the header of that name, or empty.
    """

    path: str
    body: bytes
    client: str
    authorization: str


# None is to close without an answer.
Handle = Callable[[Call], Answer | None]

_CONTENT = {"application/json", "application/x-www-form-urlencoded"}


class HttpsServer(http.server.ThreadingHTTPServer):
    """One thread a connection, at most ``_CONNECTION_LIMIT``; TLS begins in that thread."""

    request_queue_size = _CONNECTION_LIMIT

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext, handle: Handle) -> None:
        self.handle = handle
        self._tls = tls
        self._free = threading.BoundedSemaphore(_CONNECTION_LIMIT)
        super().__init__(address, _Handler)

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
        """Read one request and write its answer, in one chunk as the real service does."""
        given = self.headers.get("Content-Length", "")
        length = int(given) if re.fullmatch(r"[0-9]{1,9}", given) else None
        # Also what is refused is read: closing on unread bytes would destroy the answer.
        content = self.rfile.read(min(length or 0, _READ_LIMIT))
        if self.headers.get_content_type() not in _CONTENT:
            self._fail(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif length is None:
            self._fail(HTTPStatus.LENGTH_REQUIRED)
        elif length > _BODY_LIMIT:
            self._fail(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            authorization = self.headers.get("Authorization", "")
            call = Call(self.path, content, self.client_address[0], authorization)
            answer = self.server.handle(call)
            if answer is None:
                self.close_connection = True
            else:
                self._write(answer)

    def _fail(self, status: HTTPStatus) -> None:
        self.send_error(status)
        self.close_connection = True

    def _write(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        self.send_header("date", formatdate(answer.started_ms / 1000, usegmt=True))
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("req-arrive-time", str(answer.arrived_ms))
        self.send_header("resp-start-time", str(answer.started_ms))
        self.send_header("x-request-id", str(uuid.uuid4()))
        if 300 <= answer.status < 400:
            self.send_header("location", self.path)
        self.end_headers()
        if answer.body:
            self.wfile.write(f"{len(answer.body):x}\r\n".encode() + answer.body + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing: the journal does."""
