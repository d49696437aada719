"""simcloud's license service: HTTPS as the real one speaks it, and as strict.

``POST /api/device/v1/register`` and ``POST /api/token/v1/getToken``, and for a
vendor's own server the paths of ``license_pop``. Runs in threads of its own, so
the same class serves asyncio code and a test without a loop. What it decides is
in ``license_book``; here are TLS, HTTP, the envelope and the faults that a test
or a scenario may ask for.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mmid.errors import CloudRefused
from mmid.session.license.codec import compact
from mmid.session.license.messages import Kind
from mmid.simcloud.core.certificates import Certificates
from mmid.simcloud.core.https import Answer, Call, HttpsServer
from mmid.simcloud.license.book import BAD_REQUEST, LicenseBook, Product
from mmid.simcloud.license.pop import POP_PATHS, check_access_key, read_form
from mmid.simcloud.license.pop import envelope as pop_envelope
from mmid.simcloud.license.pop import grant as pop_grant

__all__ = ["PATHS", "Journal", "LicenseFaults", "LicenseService", "Product"]

Journal = Callable[[dict[str, Any]], None]

PATHS = {
    "/api/device/v1/register": Kind.REGISTER,
    "/api/token/v1/getToken": Kind.TOKEN,
}
# How soon the listening thread sees that it shall stop.
_POLL_S = 0.1


@dataclass(slots=True)
class LicenseFaults:
    """What goes wrong with the next requests; a scenario's words for it.

    Each list and counter is used up from the front, one request a step; all
    empty is a service that works.

    Attributes:
        register_codes: refuse registrations with these codes, without looking at them.
        token_codes: refuse token requests with these codes, without looking at them.
        drop_before: close the connection without having handled the request, so often.
        drop_after: handle the request, then close: the answer is lost, so often.
        http_statuses: handle the request, then answer with these statuses.
        bodies: handle the request, then answer with these texts instead.
        delay_s: seconds to wait before every answer, not used up.
    """

    register_codes: list[str] = field(default_factory=list)
    token_codes: list[str] = field(default_factory=list)
    drop_before: int = 0
    drop_after: int = 0
    http_statuses: list[int] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    delay_s: float = 0.0

    def forced_code(self, kind: Kind) -> str | None:
        """Use up and return the code to refuse this request with."""
        codes = self.register_codes if kind is Kind.REGISTER else self.token_codes
        return codes.pop(0) if codes else None


class LicenseService:
    """The license service of one product.

    Args:
        product: whose devices it serves.
        certificates: what it shows to clients.
        host: address to listen on.
        port: 0 for any free one.
        journal: called with each request (``t``, ``kind``, ``device_name``, ``code``,
            ``message``), from the thread that handles it, before the answer goes out.
            ``code`` is ``"200"`` for success, ``"dropped"`` for ``drop_before``.
        state_file: where the devices outlive this process; None for nowhere.

    Attributes:
        book: the devices and tokens, for a test to look at or change.
        faults: what goes wrong next.
        clock_offset_ms: how far this service's clock is from the machine's.
    """

    def __init__(
        self,
        product: Product,
        certificates: Certificates,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        journal: Journal | None = None,
        state_file: Path | None = None,
    ) -> None:
        self.book = LicenseBook(product, state_file)
        self.faults = LicenseFaults()
        self.clock_offset_ms = 0
        self._journal = journal
        self._address = (host, port)
        self._certificates = certificates
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: HttpsServer | None = None

    def start(self) -> None:
        """Listen; ``url`` is known when this returns.

        Raises:
            OSError: the address cannot be listened on.
        """
        tls = self._certificates.server_context()
        self._server = HttpsServer(self._address, tls, self._handle)
        threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="license-service", daemon=True
        ).start()

    def stop(self) -> None:
        """Stop listening; answers held back go out at once. Does nothing if not started."""
        self._stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        """The base URL, as ``cloud.license_url`` wants it."""
        if self._server is None:
            raise RuntimeError("The license service has no URL before start")
        host, port = self._server.server_address[:2]
        return f"https://{host!s}:{port}"

    def token_valid(self, token: str) -> str | None:
        """Return the name of the device that holds this token, or None if it is not valid."""
        with self._lock:
            return self.book.token_valid(token, self.now_ms())

    def now_ms(self) -> int:
        """Return this service's clock, Unix ms."""
        return time.time_ns() // 1_000_000 + self.clock_offset_ms

    def _handle(self, call: Call) -> Answer | None:
        arrived_ms = self.now_ms()
        kind = PATHS.get(call.path) or POP_PATHS.get(call.path)
        if kind is None:
            said = f"no such path: {call.path}"
            return self._refusal(HTTPStatus.NOT_FOUND, "404", said, arrived_ms)
        faults = self.faults
        if faults.delay_s:
            self._stopping.wait(faults.delay_s)
        with self._lock:
            if faults.drop_before > 0:
                faults.drop_before -= 1
                self._note(kind, "", "dropped", "closed before the request was handled")
                return None
            answer = self._decide(kind, call, arrived_ms)
            return _spoil(answer, faults)

    def _decide(self, kind: Kind, call: Call, arrived_ms: int) -> Answer:
        relayed = call.path in POP_PATHS
        body: Mapping[str, Any] = {}
        data, refused, code = None, None, "200"
        try:
            body = _read(kind, call)
            data = self._grant(kind, call, body, arrived_ms)
        except CloudRefused as error:
            refused, code = error, error.code
        name = str(body.get("deviceName", "") or (data or {}).get("deviceName", ""))
        self._note(kind, name, code, str(refused) if refused else "success")
        status = HTTPStatus.BAD_REQUEST if code == BAD_REQUEST else HTTPStatus.OK
        if relayed:
            document = {**pop_envelope(data, refused, code), "requestId": os.urandom(12).hex()}
            return Answer(int(status), compact(document), arrived_ms, self.now_ms())
        if refused is not None:
            return self._refusal(status, code, str(refused), arrived_ms)
        document = {"code": 200, "success": True, "message": "success"}
        return self._answer(status, document, data, arrived_ms)

    def _grant(
        self, kind: Kind, call: Call, body: Mapping[str, Any], now_ms: int
    ) -> dict[str, str]:
        code = self.faults.forced_code(kind)
        if code is not None:
            raise CloudRefused("the scenario wants it", code)
        if call.path in POP_PATHS:
            return pop_grant(self.book, kind, body, now_ms, call.client)
        if kind is Kind.REGISTER:
            return self.book.register(body, now_ms)
        return self.book.token(body, now_ms, call.client)

    def _refusal(self, status: int, code: str, message: str, arrived_ms: int) -> Answer:
        number = int(code) if code.isdecimal() else code
        document = {"code": number, "success": False, "message": message}
        return self._answer(status, document, None, arrived_ms)

    def _answer(
        self, status: int, document: dict[str, Any], data: dict[str, str] | None, arrived_ms: int
    ) -> Answer:
        envelope = document | {
            "localizedMsg": None,
            "data": data,
            "requestId": os.urandom(12).hex(),
        }
        return Answer(int(status), compact(envelope), arrived_ms, self.now_ms())

    def _note(self, kind: Kind, device_name: str, code: str, message: str) -> None:
        if self._journal is None:
            return
        self._journal(
            {
                "t": time.monotonic(),
                "kind": kind.value,
                "device_name": device_name,
                "code": code,
                "message": message,
            }
        )


def _read(kind: Kind, call: Call) -> dict[str, Any]:
    if call.path in POP_PATHS:
        check_access_key(call.authorization)
        return dict(read_form(kind, call.body))
    return _parse(call.body)


def _parse(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise CloudRefused("the body is not a JSON object", BAD_REQUEST)
    return body


def _spoil(answer: Answer, faults: LicenseFaults) -> Answer | None:
    """Do to a finished answer what the faults ask for."""
    if faults.drop_after > 0:
        faults.drop_after -= 1
        return None
    if faults.http_statuses:
        answer.status = faults.http_statuses.pop(0)
    if faults.bodies:
        answer.body = faults.bodies.pop(0).encode()
    return answer
