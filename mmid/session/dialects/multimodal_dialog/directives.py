"""What we send in ``multimodal-dialog``: the directives of sections 2 to 4 and 10."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from mmid.errors import InvalidArgument
from mmid.frozen import frozen
from mmid.settings import Dialog

# "180 KB"; that it means the file and not its base64 is a guess [unconfirmed].
IMAGE_LIMIT_BYTES = 180 * 1024

# Four images at their limit. The service's own limit for a text frame is not published.
_FRAME_LIMIT = 1024 * 1024

_INTERMEDIATE_TEXT = {
    "both": "transcript,dialog",
    "asr": "transcript",
    "llm": "dialog",
    "none": "",
}


@frozen
class ClientInfo:
    """Who the dialog is for.

    Attributes:
        app_id: AppId of the product.
        workspace_id: workspace, or empty to leave it out (multimodal-dialog section 14).
        user_id: user the dialog is counted for, at most 36 characters.
        device_uuid: the device, at most 40 characters.
        model: model name in Start.
        signature: the task's License signature (section 3.4), or empty to leave it out.
        network_ip: the address that the board is seen at, or empty to leave it out.
        biz_params: what the application is given, until UpdateInfo replaces a member of it.
        replace_words: what is put for words that are misunderstood.
    """

    app_id: str
    workspace_id: str
    user_id: str
    device_uuid: str
    model: str
    signature: Mapping[str, str] = field(default_factory=dict)
    network_ip: str = ""
    biz_params: Mapping[str, Any] = field(default_factory=dict)
    replace_words: Sequence[Any] = ()


def start_payload(identity: ClientInfo, dialog: Dialog, work_mode: str) -> dict[str, Any]:
    """Build what Start carries beside ``input.dialog_id`` (section 3).

    Everything the service has a default for is sent all the same: its
    documents and SDKs disagree about the defaults (section 14).
    """
    given: dict[str, Any] = {"app_id": identity.app_id}
    if identity.workspace_id:
        given["workspace_id"] = identity.workspace_id
    if dialog.sandbox:
        given["sandbox"] = True
    upstream: dict[str, Any] = {
        "type": "AudioAndVideo" if dialog.video else "AudioOnly",
        "mode": work_mode,
        "audio_format": dialog.upstream_mode,
        "sample_rate": dialog.us_sample_rate,
    }
    if dialog.vocabulary_id:
        upstream["vocabulary_id"] = dialog.vocabulary_id
    if identity.replace_words:
        upstream["asr_post_processing"] = {"replace_words": identity.replace_words}
    parameters = {
        "upstream": upstream,
        "downstream": _downstream(dialog),
        "client_info": _client_info(identity, dialog),
    }
    if identity.biz_params:
        parameters["biz_params"] = dict(identity.biz_params)
    return {
        "task_group": "aigc",
        "task": "multimodal-generation",
        "function": "generation",
        "model": identity.model,
        "input": given,
        "parameters": parameters,
    }


def _client_info(identity: ClientInfo, dialog: Dialog) -> dict[str, Any]:
    client: dict[str, Any] = {
        "user_id": identity.user_id,
        "device": {"uuid": identity.device_uuid},
    }
    if identity.network_ip:
        client["network"] = {"ip": identity.network_ip}
    latitude, _, longitude = dialog.coordinates.partition(",")
    location = {"city_name": dialog.city_name, "latitude": latitude, "longitude": longitude}
    if any(location.values()):
        client["location"] = {key: value for key, value in location.items() if value}
    if identity.signature:
        client["signature"] = dict(identity.signature)
    return client


def _downstream(dialog: Dialog) -> dict[str, Any]:
    downstream: dict[str, Any] = {
        "audio_format": dialog.downstream_mode,
        "sample_rate": dialog.ds_sample_rate,
        "intermediate_text": _INTERMEDIATE_TEXT[dialog.text_mode],
        "volume": dialog.volume,
        "speech_rate": dialog.speech_rate,
        "pitch_rate": dialog.pitch_rate,
    }
    if dialog.voice:
        downstream["voice"] = dialog.voice
    if dialog.incremental_response:
        downstream["incremental_response"] = True
    if dialog.transmit_rate_limit:
        downstream["transmit_rate_limit"] = dialog.transmit_rate_limit
    if "opus" in dialog.downstream_mode:
        downstream["frame_size"] = dialog.frame_size
        downstream["bit_rate"] = dialog.bit_rate
        if dialog.enable_cbr:
            downstream["enable_cbr"] = True
    return downstream


class Frames:
    """Writes the client's text frames of one task.

    Args:
        task_id: 32 hex digits, new for every connection.
        dialog_id: the dialog to go on with, or empty; Started replaces it.
    """

    def __init__(self, task_id: str, dialog_id: str) -> None:
        self._task_id = task_id
        self.dialog_id = dialog_id

    def start(self, payload: Mapping[str, Any]) -> str:
        """Write Start; the only run-task."""
        given = {**self._input("Start"), **payload["input"]}
        return self._frame("run-task", {**payload, "input": given})

    def stop(self) -> str:
        """Write Stop; the only finish-task."""
        return self._frame("finish-task", {"input": self._input("Stop")})

    def directive(self, name: str) -> str:
        """Write a directive that is nothing but its name."""
        return self._frame("continue-task", {"input": self._input(name)})

    def request_to_respond(
        self,
        kind: str,
        text: str,
        images: Sequence[bytes] = (),
        biz_params: Mapping[str, Any] | None = None,
    ) -> str:
        """Write RequestToRespond.

        Args:
            kind: ``prompt``: the model answers the text; ``transcript``: it is spoken.
            text: may be empty with ``prompt``.
            images: JPEG or PNG files the question is about.
            biz_params: for this request only.

        Raises:
            InvalidArgument: an image or the whole is too large, or ``biz_params`` is no JSON.
        """
        given = {**self._input("RequestToRespond"), "type": kind, "text": text}
        return self._bounded(given, _parameters(images, None, biz_params))

    def update_info(
        self,
        images: Sequence[bytes],
        client_status: Mapping[str, Any] | None,
        biz_params: Mapping[str, Any] | None,
    ) -> str:
        """Write UpdateInfo; raises as ``request_to_respond`` does."""
        parameters = _parameters(images, client_status, biz_params)
        return self._bounded(self._input("UpdateInfo"), parameters)

    def _bounded(self, given: Mapping[str, str], parameters: Mapping[str, Any]) -> str:
        payload = {"input": given, **({"parameters": parameters} if parameters else {})}
        try:
            frame = self._frame("continue-task", payload)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArgument("the parameters cannot be written as JSON") from error
        if len(frame) > _FRAME_LIMIT:
            raise InvalidArgument(f"the message is over {_FRAME_LIMIT // 1024} KiB")
        return frame

    def _input(self, directive: str) -> dict[str, str]:
        if not self.dialog_id:
            return {"directive": directive}
        return {"directive": directive, "dialog_id": self.dialog_id}

    def _frame(self, action: str, payload: Mapping[str, Any]) -> str:
        header = {"action": action, "task_id": self._task_id, "streaming": "duplex"}
        frame = {"header": header, "payload": payload}
        return json.dumps(frame, separators=(",", ":"), allow_nan=False)


def _parameters(
    images: Sequence[bytes],
    client_status: Mapping[str, Any] | None,
    biz_params: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return ``parameters`` with what is given and nothing else."""
    parameters: dict[str, Any] = {}
    if images:
        parameters["images"] = [_image(one) for one in images]
    if client_status:
        parameters["client_info"] = {"status": dict(client_status)}
    if biz_params:
        parameters["biz_params"] = dict(biz_params)
    return parameters


def _image(data: bytes) -> dict[str, str]:
    if not 0 < len(data) <= IMAGE_LIMIT_BYTES:
        limit = f"1 to {IMAGE_LIMIT_BYTES} bytes (180 KiB)"
        raise InvalidArgument(f"an image has {limit}, not {len(data)}; send a smaller one")
    return {"type": "base64", "value": b64encode(data).decode("ascii")}
