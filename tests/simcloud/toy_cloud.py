"""A cloud from outside mmid, as small as one can be: it says back the text it gets, and a tone.

What a new cloud's folder must have is in here: one ``CLOUD``, with a WebSocket, an HTTPS
request, words for the printed line, moments for faults and a table in scenario files.
"""

import json
from dataclasses import dataclass
from math import inf

from websockets.http11 import Request

from mmid.simcloud.core.actions import Action, ReplyBegin, ReplyEnd, SendReplyAudio, SendText
from mmid.simcloud.core.faults import Vocabulary
from mmid.simcloud.core.https import Answer, Call, HttpsRoute
from mmid.simcloud.core.outlet import Outlet
from mmid.simcloud.core.scenario import ScenarioRun, own_table
from mmid.simcloud.core.simulated_cloud import CloudServer, SimulatedCloud, Simulation, Urls
from mmid.simcloud.core.websocket import UpgradeRefused, WebSocketRoute


@dataclass(frozen=True, slots=True)
class Manners:
    greeting: str = "hello"


class Parrot:
    """The protocol of one client."""

    deadline = inf

    def __init__(self, run: ScenarioRun, now: float) -> None:
        self._run = run
        self._outlet = Outlet(run.plan, now)

    def text(self, text: str, now: float) -> list[Action]:
        self._outlet.now = now
        if self._outlet.strike("word"):
            greeting = own_table(self._run.scenario, Manners).greeting
            self._outlet.send("echo", SendText(f"{greeting}, {text}", "echo", {"text": text}))
            self._outlet.put(ReplyBegin())
            turn = next(self._run.turns)
            self._outlet.send("ReplyAudio", SendReplyAudio(self._run.voice(turn, 8000)))
            self._outlet.put(ReplyEnd(cut=False))
        return self._outlet.take()

    def binary(self, data: bytes, now: float) -> list[Action]:
        return self.text(f"{len(data)} bytes", now)

    def tick(self, now: float) -> list[Action]:  # noqa: ARG002 - nothing is ever due
        return []

    def lost(self, now: float) -> list[Action]:  # noqa: ARG002 - nothing was under way
        return []


class ToyServer(CloudServer):
    def __init__(self, _simulation: Simulation, run: ScenarioRun) -> None:
        self._run = run
        self._keys: list[str] = []
        self.sockets = {"/toy": WebSocketRoute(self._admit, self._connect, run.plan)}
        self.routes = {"/toy/key": HttpsRoute("key", self._mint, run.plan)}

    def line(self, urls: Urls) -> dict[str, str]:
        return {"toy_ws_url": f"{urls.wss}/toy", "toy_key_url": f"{urls.https}/toy/key"}

    def _admit(self, request: Request) -> dict[str, str]:
        key = request.path.partition("?key=")[2]
        if key not in self._keys:
            raise UpgradeRefused("no such key")
        return {"credential": "key", "device_name": key}

    def _connect(self, _who: object, now: float) -> Parrot:
        return Parrot(self._run, now)

    def _mint(self, call: Call) -> Answer:
        self._keys.append(call.query)
        return Answer(200, json.dumps({"key": call.query}).encode())


CLOUD = SimulatedCloud(
    name="toy",
    start=ToyServer,
    vocabulary=Vocabulary(coming=("word",), going=("echo",), calls=("key",), table=Manners),
)
