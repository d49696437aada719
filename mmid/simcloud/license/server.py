"""Alibaba's license service, simulated: registers devices and gives them tokens.

``POST /api/device/v1/register`` and ``POST /api/token/v1/getToken``, and for a
vendor's own server the paths of ``pop``. What it decides is in ``book``; here are
the envelope and the journal. The faults of a scenario strike at ``register`` and
``token``, through whichever door; beside those of every cloud there are

    refuse:CODE                    refuse the request with this code, without looking at it
    gateway:CODE                   have Alibaba's gateway refuse a vendor's server with this
                                   word, such as Throttling.User or ServiceUnavailable
"""

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
from mmid.simcloud.core.json_text import read_json
from mmid.simcloud.core.product import load_kept
from mmid.simcloud.core.scenario import ScenarioRun
from mmid.simcloud.core.simulated_cloud import CloudServer, SimulatedCloud, Simulation, Urls
from mmid.simcloud.license.acs3 import SignatureCheck
from mmid.simcloud.license.book import BAD_REQUEST, LicenseBook
from mmid.simcloud.license.pop import (
    ACTIONS,
    POP_PATHS,
    gateway_error,
    grant,
    new_access_key,
    pop_envelope,
    read_form,
)

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
        self._access_key = load_kept(simulation.directory / "access-key.json", new_access_key)
        self._gateway = SignatureCheck(**self._access_key)
        doors = ((PATHS, self._answer), (POP_PATHS, self._answer_server))
        self.routes = {
            path: HttpsRoute(kind, answer, run.plan)
            for paths, answer in doors
            for path, kind in paths.items()
        }
        simulation.token_checks.append(self._check_token)

    def line(self, urls: Urls) -> dict[str, str]:
        """Return the base URLs for devices and for a vendor's server, and its AccessKey."""
        return {"license_url": urls.https, "pop_url": urls.https, **self._access_key}

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
        """Answer a device."""
        kind, arrived_ms = PATHS[call.path], self.now_ms()
        body: Mapping[str, Any] = {}
        data, refused, code = None, None, "200"
        try:
            body = _read(call.body)
            _strike(call)
            if kind is Kind.REGISTER:
                data = self.book.register(body, arrived_ms)
            else:
                data = self.book.token(body, arrived_ms, call.client)
        except CloudRefused as error:
            refused, code = error, error.code
        self._note(kind, str(body.get("deviceName", "")), code, refused)
        return self._dated(_envelope(data, refused, code), code, arrived_ms)

    def _answer_server(self, call: Call) -> Answer:
        """Answer a vendor's own server, past the gateway."""
        kind, arrived_ms = POP_PATHS[call.path], self.now_ms()
        try:
            self._gateway.check(call, ACTIONS[kind], arrived_ms)
            _strike(call, "gateway")
        except CloudRefused as error:
            self._note(kind, "", error.code, error)
            status, document = gateway_error(error, call.headers.get("Host", ""))
            return Answer(int(status), compact(document))
        data, refused, code = None, None, "200"
        fields: Mapping[str, str] = {}
        try:
            fields = read_form(kind, call.body)
            _strike(call)
            data = grant(self.book, kind, fields, arrived_ms, call.client)
        except CloudRefused as error:
            refused, code = error, error.code
        # A registration has no name in clear; the answer has.
        name = (data or {}).get("deviceName", fields.get("deviceName", ""))
        self._note(kind, name, code, refused)
        return self._dated(pop_envelope(data, refused, code), code, arrived_ms)

    def _note(self, kind: Kind, name: str, code: str, refused: CloudRefused | None) -> None:
        told = str(refused) if refused else "success"
        self._journal.add(kind.value, device_name=name, code=code, message=told)

    def _dated(self, envelope: Mapping[str, Any], code: str, arrived_ms: int) -> Answer:
        """Return an answer with a request id, and the service's clock in its headers."""
        started_ms = self.now_ms()
        headers = {
            "date": formatdate(started_ms / 1000, usegmt=True),
            "req-arrive-time": str(arrived_ms),
            "resp-start-time": str(started_ms),
        }
        status = HTTPStatus.BAD_REQUEST if code == BAD_REQUEST else HTTPStatus.OK
        body = compact({**envelope, "requestId": os.urandom(12).hex()})
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


def _strike(call: Call, fault: str = "refuse") -> None:
    """Refuse a request if the scenario wants it."""
    for read in call.faults:
        if read.name == fault:
            raise CloudRefused("the scenario wants it", read.arguments[0])


def _read(content: bytes) -> dict[str, Any]:
    try:
        body = read_json(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise CloudRefused("the body is not a JSON object", BAD_REQUEST)
    return body


CLOUD = SimulatedCloud(
    name="license",
    start=LicenseServer,
    vocabulary=Vocabulary(
        calls=(Kind.REGISTER, Kind.TOKEN),
        faults={"refuse": Arguments(1, 1, range(1_000_000)), "gateway": Arguments(1, 1)},
    ),
    scenarios=Path(__file__).with_name("scenarios"),
)
