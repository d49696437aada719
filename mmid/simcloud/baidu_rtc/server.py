"""The ``baidu-rtc`` endpoints of the simulated clouds: instances, and who may open them.

``POST /v1/baidu/instance`` and ``/v1/baidu/stop`` answer a device as ``mmid-relay`` does,
with Baidu's own reply; who asks is not checked here.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from websockets.http11 import Request

from mmid.secrets import Secret
from mmid.simcloud.baidu_rtc.activations import ActivationBook
from mmid.simcloud.baidu_rtc.handshake import RtcHandshake
from mmid.simcloud.baidu_rtc.instances import InstanceBook, NoInstance
from mmid.simcloud.baidu_rtc.outlet import RtcOutlet
from mmid.simcloud.baidu_rtc.protocol import RtcProtocol
from mmid.simcloud.baidu_rtc.server_api import ServerApi, new_keys
from mmid.simcloud.baidu_rtc.vocabulary import VOCABULARY, RtcRules
from mmid.simcloud.core.codecs import ReplyFormat
from mmid.simcloud.core.https import Answer, Call, HttpsRoute
from mmid.simcloud.core.json_text import read_json
from mmid.simcloud.core.product import load_kept
from mmid.simcloud.core.scenario import ScenarioRun, own_table
from mmid.simcloud.core.simulated_cloud import CloudServer, SimulatedCloud, Simulation, Urls
from mmid.simcloud.core.websocket import WebSocketRoute

_PATH: Final = "/v1/realtime"
_INSTANCE_PATH: Final = "/v1/baidu/instance"
_STOP_PATH: Final = "/v1/baidu/stop"

# ``ac`` of the URL -> how a reply is sent, and a speech comes (fact sheet, section 4).
_FORMS = {
    "raw16k": ReplyFormat("pcm", 16_000, 100, 0),
    "raw": ReplyFormat("pcm", 8_000, 100, 0),
    "opus": ReplyFormat("raw-opus", 16_000, 60, 24),
}
_PACKETS_MS = ("20", "40", "60")
_MODES = ("push2talk", "tap2talk", "duplex")
_FOREIGN_HEADERS = ("Authorization", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions")


class RtcServer(CloudServer):
    """The endpoints of one app.

    Args:
        simulation: where its id and its licence are kept.
        run: the script.

    Attributes:
        app_id: of the app.
        instances: what was made for its devices; Baidu's own server API uses this book, too.
        activations: what its licence has cost.
        server_api: what its vendor's own server asks.
    """

    def __init__(self, simulation: Simulation, run: ScenarioRun) -> None:
        kept = load_kept(simulation.directory / "baidu.json", _make)
        rules, state_file = own_table(run.scenario, RtcRules), simulation.state_file
        self._journal = simulation.journal
        self._run = run
        self._license_key = Secret(kept["license_key"])
        self._urls = Urls("", "")
        self.app_id = kept["app_id"]
        self.instances = InstanceBook()
        self.activations = ActivationBook(
            self._license_key,
            self.app_id,
            quota=rules.quota,
            refusal=rules.refuse,
            state_file=state_file.with_name("baidu-activations.json") if state_file else None,
        )
        self.sockets = {_PATH: WebSocketRoute(self._admit, self._connect, run.plan)}
        keys = (kept["access_key"], Secret(kept["secret_key"]))
        self.server_api = ServerApi(self.instances, self.app_id, keys, self._journal)
        self.routes = {
            _INSTANCE_PATH: HttpsRoute("instance", self._make_instance, run.plan),
            _STOP_PATH: HttpsRoute("stop-instance", self._stop_instance, run.plan),
            **self.server_api.routes(run.plan),
        }

    @property
    def _rules(self) -> RtcRules:
        return own_table(self._run.scenario, RtcRules)

    def line(self, urls: Urls) -> dict[str, str]:
        """Return where instances are made and opened, and who the app is."""
        self._urls = urls
        return {
            "baidu_ws_url": urls.wss + _PATH,
            "baidu_instance_url": urls.https + _INSTANCE_PATH,
            "baidu_app_id": self.app_id,
            "baidu_license_key": self._license_key.reveal(),
            **self.server_api.line(urls),
        }

    def _admit(self, request: Request) -> Mapping[str, str]:
        """Let everybody in: the service says by 1006 that a URL opens nothing (section 7)."""
        told = dict(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))
        who = {"credential": "instance", "device_name": "", "codec": told.get("ac", "")}
        try:
            _check_request(request, told)
            a, number, token = (told.get(name, "") for name in ("a", "id", "t"))
            instance = self.instances.use(a, number, token, who["codec"])
        except NoInstance as wrong:
            return {**who, "wrong": str(wrong)}
        return {**who, "instance": str(instance.id), "plen": told.get("plen", "")}

    def _connect(self, who: Mapping[str, str], now: float) -> RtcProtocol:
        outlet = RtcOutlet(self._run.plan, now)
        wrong = who.get("wrong", "")
        handshake = RtcHandshake(outlet, self.activations, self._rules, wrong=wrong)
        instance = self.instances.find(who.get("instance", ""))
        form = _FORMS.get(who["codec"], _FORMS["raw16k"])
        if plen := who.get("plen"):
            form = replace(form, frame_ms=int(plen))
        long_audio = instance.long_audio if instance else None
        return RtcProtocol(outlet, handshake, self._run, form, long_audio=long_audio)

    def _make_instance(self, call: Call) -> Answer:
        asked = _read(call.body)
        codec, mode, name = (asked.get(key) for key in ("codec", "mode", "deviceName"))
        # A list, for what a client sent may be a list or an object, which no mapping can look up.
        if codec not in list(_FORMS) or mode not in _MODES or not isinstance(name, str) or not name:
            return _answer(
                HTTPStatus.BAD_REQUEST, {"message": "deviceName, codec or mode is wrong"}
            )
        instance = self.instances.create(self.app_id, codec, long_audio=mode == "push2talk")
        self._journal.add("instance", device_name=name, codec=codec, mode=mode, id=str(instance.id))
        reply = instance.reply()
        if self._rules.id_text:
            reply["ai_agent_instance_id"] = str(instance.id)
        if self._rules.url:
            reply["url"] = self._urls.wss + _PATH
        if self._rules.stop_url:
            reply["stop_url"] = f"{self._urls.https}{_STOP_PATH}?id={instance.id}"
        return _answer(HTTPStatus.OK, {"data": reply} if self._rules.wrapped else reply)

    def _stop_instance(self, call: Call) -> Answer:
        told = {**_read(call.body), **dict(parse_qsl(call.query))}
        number = str(told.get("id", told.get("ai_agent_instance_id", "")))
        instance = self.instances.find(number)
        self._journal.add("stop-instance", id=number, known=instance is not None)
        if instance is None:
            return _answer(HTTPStatus.NOT_FOUND, {"message": "no such instance"})
        self.instances.stop(instance.id)
        return _answer(HTTPStatus.OK, {})


def _check_request(request: Request, told: Mapping[str, str]) -> None:
    """Refuse what no client of the service sends.

    Raises:
        NoInstance: says what that is.
    """
    if foreign := [name for name in _FOREIGN_HEADERS if name in request.headers]:
        raise NoInstance(f"no client sends {foreign[0]}")
    opus = {"plen", "ptime"} if told.get("ac") == "opus" else set()
    if unknown := told.keys() - {"a", "id", "t", "ac"} - opus:
        raise NoInstance(f"the URL has {', '.join(sorted(unknown))}")
    if opus and told.get("plen") not in _PACKETS_MS:
        raise NoInstance(f"opus needs plen: {', '.join(_PACKETS_MS)}")


def _read(body: bytes) -> dict[str, Any]:
    """Return the object of a request; an empty one if it is none."""
    try:
        told = read_json(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _answer(status: HTTPStatus, told: Mapping[str, Any]) -> Answer:
    return Answer(status, json.dumps(told).encode())


def _make() -> dict[str, str]:
    """Return a new app with a licence, and the keys of its account."""
    return {
        "app_id": f"app{secrets.token_hex(6)}",
        "license_key": secrets.token_hex(16),
        **new_keys(),
    }


CLOUD = SimulatedCloud(
    name="baidu-rtc",
    start=RtcServer,
    vocabulary=VOCABULARY,
    scenarios=Path(__file__).with_name("scenarios"),
)
