"""Baidu's server API for agent instances, simulated: what a vendor's own server calls.

``POST /api/v1/aiagent/generateAIAgentCall`` and ``stopAIAgentInstance``, signed with the
account's keys (fact sheet, section 2). They make and stop instances in the same book as the
stand-in of a vendor's server that devices ask.
"""

import json
import secrets
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from mmid.errors import CloudRefused
from mmid.secrets import Secret
from mmid.simcloud.baidu_rtc.bce import check_signature
from mmid.simcloud.baidu_rtc.instances import InstanceBook
from mmid.simcloud.core.faults import FaultPlan
from mmid.simcloud.core.https import Answer, Call, HttpsRoute
from mmid.simcloud.core.journal import Journal
from mmid.simcloud.core.json_text import read_json
from mmid.simcloud.core.simulated_cloud import Urls

_PATH = "/api/v1/aiagent/"
_CODECS = ("raw", "raw16k", "pcma", "pcmu", "g722", "opus")

# Where the status is not 403.
_STATUS = {
    "InappropriateJSON": HTTPStatus.BAD_REQUEST,
    "MalformedJSON": HTTPStatus.BAD_REQUEST,
    "NoSuchInstance": HTTPStatus.NOT_FOUND,
}


def new_keys() -> dict[str, str]:
    """Return a new pair of keys, in the shape that the real ones have."""
    return {
        "access_key": f"ALTAK-{secrets.token_hex(11)}",
        "secret_key": secrets.token_hex(16),
    }


class ServerApi:
    """The API.

    Args:
        instances: the instances of the cloud.
        app_id: the app that the account has.
        keys: the account's access key and secret key.
        journal: where it says what was made and stopped.

    Attributes:
        clock_offset_s: how far this service's clock is from the machine's.
    """

    def __init__(
        self, instances: InstanceBook, app_id: str, keys: tuple[str, Secret], journal: Journal
    ) -> None:
        self._instances = instances
        self._app_id = app_id
        self._keys = keys
        self._journal = journal
        self.clock_offset_s = 0.0

    def line(self, urls: Urls) -> dict[str, str]:
        """Return the base URL, and the keys."""
        access_key, secret_key = self._keys
        return {
            "baidu_api_url": urls.https,
            "baidu_access_key": access_key,
            "baidu_secret_key": secret_key.reveal(),
        }

    def routes(self, plan: FaultPlan) -> dict[str, HttpsRoute]:
        """Return its requests by path; faults strike as at the requests of devices."""
        return {
            f"{_PATH}generateAIAgentCall": self._route("instance", self._generate, plan),
            f"{_PATH}stopAIAgentInstance": self._route("stop-instance", self._stop, plan),
        }

    def _route(
        self, moment: str, work: Callable[[dict[str, Any]], dict[str, Any]], plan: FaultPlan
    ) -> HttpsRoute:
        return HttpsRoute(moment, lambda call: self._answer(call, work), plan)

    def _answer(self, call: Call, work: Callable[[dict[str, Any]], dict[str, Any]]) -> Answer:
        """Answer a signed call; what is refused has the code that a real one has."""
        request_id = str(uuid.uuid4())
        status, document = HTTPStatus.OK, {}
        try:
            check_signature(call, self._keys, time.time() + self.clock_offset_s)
            document = work(self._own(_read(call.body, "the body", "MalformedJSON")))
        except CloudRefused as error:
            status = _STATUS.get(error.code, HTTPStatus.FORBIDDEN)
            document = {"code": error.code, "message": str(error), "requestId": request_id}
        return Answer(status, json.dumps(document).encode(), {"x-bce-request-id": request_id})

    def _own(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a body that is about the account's own app."""
        if body.get("app_id") != self._app_id:
            raise CloudRefused("the account has no such app", "AccessDenied")
        return body

    def _generate(self, body: dict[str, Any]) -> dict[str, Any]:
        given = body.get("config", "{}")
        if not isinstance(given, str):
            raise CloudRefused("config must be JSON in a string", "InappropriateJSON")
        config = _read(given.encode(), "config", "InappropriateJSON")
        codec, long_audio = config.get("audiocodec", "raw"), config.get("asr_long_audio_mode")
        if codec not in _CODECS:
            raise CloudRefused(f"audiocodec must be one of {_CODECS}", "InappropriateJSON")
        if not isinstance(long_audio, bool | None):
            raise CloudRefused("asr_long_audio_mode must be a boolean", "InappropriateJSON")
        made = self._instances.create(self._app_id, codec, long_audio=long_audio)
        facts = {"codec": codec, "mode": "push2talk" if long_audio else "", "id": str(made.id)}
        self._journal.add("instance", device_name="", **facts)
        return made.reply()

    def _stop(self, body: dict[str, Any]) -> dict[str, Any]:
        number = str(body.get("ai_agent_instance_id"))
        instance = self._instances.find(number)
        known = instance is not None and self._instances.stop(instance.id)
        self._journal.add("stop-instance", id=number, known=known)
        if not known:
            raise CloudRefused("there is no such instance", "NoSuchInstance")
        return {}


def _read(content: bytes, what: str, code: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        CloudRefused: it is none; with this code.
    """
    try:
        document = read_json(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise CloudRefused(f"{what} is not a JSON object", code)
    return document
