"""Alibaba's license service, simulated: registers devices and gives them tokens.

``POST /api/device/v1/register`` and ``POST /api/token/v1/getToken``, and for a
vendor's own server the paths of ``pop``. What it decides is in ``book``; here are
the envelope and the journal. The faults of a scenario strike at ``register`` and
``token``; beside those of every cloud there is

    refuse:CODE                    refuse the request with this code, without looking at it
"""

import json
import os
import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mmid.errors import CloudRefused
from mmid.session.license.codec import compact
from mmid.session.license.messages import Kind
from mmid.simcloud.core.faults import Arguments, Vocabulary
from mmid.simcloud.core.https import Answer, Call, HttpsRoute
from mmid.simcloud.core.scenario import ScenarioRun
from mmid.simcloud.core.simulated_cloud import CloudServer, SimulatedCloud, Simulation, Urls
from mmid.simcloud.license.book import BAD_REQUEST, LicenseBook
from mmid.simcloud.license.pop import POP_PATHS, check_access_key, grant, pop_envelope, read_form

PATHS = {
    "/api/device/v1/register": Kind.REGISTER,
    "/api/token/v1/getToken": Kind.TOKEN,
}


class LicenseServer(CloudServer):
    """The license service of one product.

    Args:
        simulation: whose devices it serves, and where they are remembered.
        run: the faults.

    Attributes:
        book: the devices and tokens, for a test to look at or change.
        plan: the faults, for a test to add some.
        clock_offset_ms: how far this service's clock is from the machine's.
    """

    def __init__(self, simulation: Simulation, run: ScenarioRun) -> None:
        self.book = LicenseBook(simulation.product, simulation.state_file)
        self.plan = run.plan
        self.clock_offset_ms = 0
        self._journal = simulation.journal
        paths = {**PATHS, **POP_PATHS}.items()
        self.routes = {path: HttpsRoute(kind, self._answer, run.plan) for path, kind in paths}
        simulation.token_checks.append(self._check_token)

    def line(self, urls: Urls) -> dict[str, str]:
        """Return the base URL, as ``cloud.license_url`` wants it."""
        return {"license_url": urls.https}

    def token_valid(self, token: str) -> str | None:
        """Return the name of the device that holds this token, or None if it is not valid."""
        return self.book.token_valid(token, self.now_ms())

    def now_ms(self) -> int:
        """Return this service's clock, Unix ms."""
        return time.time_ns() // 1_000_000 + self.clock_offset_ms

    def _check_token(self, token: str) -> tuple[str, str] | None:
        device_name = self.token_valid(token)
        return None if device_name is None else ("token", device_name)

    def _answer(self, call: Call) -> Answer:
        arrived_ms = self.now_ms()
        # A vendor's server speaks another API: a form in, and another envelope around the answer.
        relayed = call.path in POP_PATHS
        kind = POP_PATHS[call.path] if relayed else PATHS[call.path]
        body: Mapping[str, Any] = {}
        data, refused, code = None, None, "200"
        try:
            body = _read_relayed(kind, call) if relayed else _read(call.body)
            data = self._grant(kind, call, body, arrived_ms)
        except CloudRefused as error:
            refused, code = error, error.code
        # A relayed registration has no name in clear; the answer has.
        name = str(body.get("deviceName", "") or (data or {}).get("deviceName", ""))
        told = str(refused) if refused else "success"
        self._journal.add(kind.value, device_name=name, code=code, message=told)
        envelope = pop_envelope if relayed else _envelope
        document = {**envelope(data, refused, code), "requestId": os.urandom(12).hex()}
        return self._dated(compact(document), code, arrived_ms)

    def _grant(
        self, kind: Kind, call: Call, body: Mapping[str, Any], now_ms: int
    ) -> dict[str, str]:
        for read in call.faults:
            if read.name == "refuse":
                raise CloudRefused("the scenario wants it", read.arguments[0])
        if call.path in POP_PATHS:
            return grant(self.book, kind, body, now_ms, call.client)
        if kind is Kind.REGISTER:
            return self.book.register(body, now_ms)
        return self.book.token(body, now_ms, call.client)

    def _dated(self, body: bytes, code: str, arrived_ms: int) -> Answer:
        """Return an answer with the service's clock in its headers."""
        started_ms = self.now_ms()
        headers = {
            "date": formatdate(started_ms / 1000, usegmt=True),
            "req-arrive-time": str(arrived_ms),
            "resp-start-time": str(started_ms),
        }
        status = HTTPStatus.BAD_REQUEST if code == BAD_REQUEST else HTTPStatus.OK
        return Answer(int(status), body, headers)


def _envelope(
    data: Mapping[str, str] | None, refused: CloudRefused | None, code: str
) -> dict[str, Any]:
    """Return the answer's JSON but its request id, its members in the real service's order."""
    return {
        "code": int(code) if code.isdecimal() else code,
        "success": refused is None,
        "message": "success" if refused is None else str(refused),
        "localizedMsg": None,
        "data": data,
    }


def _read_relayed(kind: Kind, call: Call) -> dict[str, str]:
    check_access_key(call.headers.get("Authorization", ""))
    return read_form(kind, call.body)


def _read(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise CloudRefused("the body is not a JSON object", BAD_REQUEST)
    return body


CLOUD = SimulatedCloud(
    name="license",
    start=LicenseServer,
    vocabulary=Vocabulary(
        calls=(Kind.REGISTER, Kind.TOKEN),
        faults={"refuse": Arguments(1, 1, range(1_000_000))},
    ),
    scenarios=Path(__file__).with_name("scenarios"),
)
