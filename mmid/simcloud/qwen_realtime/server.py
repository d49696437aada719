"""The ``qwen-realtime`` endpoint of the simulated clouds: who is let in, and temporary keys."""

import json
import re
import secrets
import time
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from websockets.http11 import Request

from mmid.simcloud.core.https import Answer, Call, HttpsRoute
from mmid.simcloud.core.json_text import read_json
from mmid.simcloud.core.scenario import ScenarioRun, own_table
from mmid.simcloud.core.simulated_cloud import CloudServer, SimulatedCloud, Simulation, Urls
from mmid.simcloud.core.websocket import UpgradeRefused, WebSocketRoute
from mmid.simcloud.qwen_realtime.protocol import RealtimeProtocol
from mmid.simcloud.qwen_realtime.vocabulary import VOCABULARY, RealtimeRules

_PATH: Final = "/api-ws/v1/realtime"
# Of a relay, for devices; and of the service itself, for a relay.
_KEY_PATH: Final = "/v1/qwen/token"
_MINT_PATH: Final = "/api/v1/tokens"

_KEY_LIVES_S = range(1, 1801)
_MOST_KEYS = 1000  # the oldest is forgotten


class RealtimeServer(CloudServer):
    """The endpoint: takes the API key, and temporary keys, which it mints as a relay does.

    Args:
        simulation: whose API key is good.
        run: the script.
    """

    def __init__(self, simulation: Simulation, run: ScenarioRun) -> None:
        self._simulation = simulation
        self._run = run
        self._keys: dict[str, tuple[str, float]] = {}
        self.sockets = {_PATH: WebSocketRoute(self._admit, self._connect, run.plan)}
        answers = {_KEY_PATH: self._answer_device, _MINT_PATH: self._answer_server}
        self.routes = {
            path: HttpsRoute("temporary-key", answer, run.plan) for path, answer in answers.items()
        }
        simulation.token_checks.append(self._check_key)

    def line(self, urls: Urls) -> dict[str, str]:
        """Return the URL of the sessions, and where temporary keys are minted."""
        return {
            "qwen_ws_url": urls.wss + _PATH,
            "qwen_token_url": urls.https + _KEY_PATH,
            "dashscope_url": urls.https,
        }

    def _admit(self, request: Request) -> Mapping[str, str]:
        known = self._simulation.check_bearer(request.headers.get_all("Authorization"))
        # A token of the license service is no key of this one.
        if known is None or known[0] not in ("api-key", "temporary-key"):
            raise UpgradeRefused("Authorization must be Bearer and a valid API key")
        models = parse_qs(urlsplit(request.path).query).get("model", [])
        if len(models) != 1:
            raise UpgradeRefused("the URL must name one model", HTTPStatus.BAD_REQUEST)
        credential, device_name = known
        return {"credential": credential, "device_name": device_name, "model": models[0]}

    def _connect(self, who: Mapping[str, str], now: float) -> RealtimeProtocol:
        return RealtimeProtocol(who["model"], self._run, now)

    def _check_key(self, token: str) -> tuple[str, str] | None:
        device_name, expires_at = self._keys.get(token, ("", 0.0))
        return ("temporary-key", device_name) if time.time() < expires_at else None

    def _answer_device(self, call: Call) -> Answer:
        """Answer a device as ``mmid-relay`` does; who asks is not checked here."""
        try:
            device_name = read_json(call.body)["deviceName"]
        except (ValueError, KeyError, TypeError):
            device_name = None
        if not isinstance(device_name, str) or not device_name:
            return Answer(HTTPStatus.BAD_REQUEST, b'{"message":"deviceName is missing"}')
        return self._mint(device_name, own_table(self._run.scenario, RealtimeRules).key_s)

    def _answer_server(self, call: Call) -> Answer:
        """Answer a vendor's server: it must have the API key, and says how long a key lives."""
        known = self._simulation.check_bearer(call.headers.get_all("Authorization", []))
        # A temporary key does not mint others.
        if known is None or known[0] != "api-key":
            return _refusal(HTTPStatus.UNAUTHORIZED, "InvalidApiKey", "Invalid API-key provided.")
        given = parse_qs(call.query, keep_blank_values=True).get("expire_in_seconds", ["60"])[-1]
        if not re.fullmatch("[0-9]{1,4}", given) or int(given) not in _KEY_LIVES_S:
            text = "expire_in_seconds must be 1 to 1800"
            return _refusal(HTTPStatus.BAD_REQUEST, "InvalidParameter", text)
        return self._mint("", float(given))

    def _mint(self, device_name: str, life_s: float) -> Answer:
        key, expires_at = f"st-{secrets.token_hex(24)}", time.time() + life_s
        while len(self._keys) >= _MOST_KEYS:
            del self._keys[next(iter(self._keys))]
        self._keys[key] = (device_name, expires_at)
        self._simulation.journal.add("temporary-key", device_name=device_name)
        answer = {"token": key, "expires_at": int(expires_at)}
        return Answer(HTTPStatus.OK, json.dumps(answer).encode())


def _refusal(status: HTTPStatus, code: str, message: str) -> Answer:
    """Return an error in the service's shape."""
    document = {"code": code, "message": message, "request_id": str(uuid.uuid4())}
    return Answer(status, json.dumps(document).encode())


CLOUD = SimulatedCloud(
    name="qwen-realtime",
    start=RealtimeServer,
    vocabulary=VOCABULARY,
    scenarios=Path(__file__).with_name("scenarios"),
)
