"""The messages of ``multimodal-dialog``: directives out, server frames in.

Shapes are those of multimodal-dialog sections 2 to 5 and 11. Parsing is
strict about what is used and blind to the rest: unknown fields and events are
allowed, a field of the wrong type is not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmid.errors import MalformedMessage
from mmid.session.dialects.multimodal_dialog_commands import Asking, asking
from mmid.settings import Dialog

__all__ = [
    "Failed",
    "Frames",
    "Identity",
    "Message",
    "Output",
    "Started",
    "parse",
    "start_payload",
]

_INTERMEDIATE_TEXT = {
    "both": "transcript,dialog",
    "asr": "transcript",
    "llm": "dialog",
    "none": "",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the dialog is for.

    Attributes:
        app_id: AppId of the product.
        workspace_id: workspace, or empty to leave it out (multimodal-dialog section 14).
        user_id: user the dialog is counted for, at most 36 characters.
        device_uuid: the device, at most 40 characters.
        model: model name in Start.
        signature: the task's License signature (section 3.4), or empty to leave it out.
    """

    app_id: str
    workspace_id: str
    user_id: str
    device_uuid: str
    model: str
    signature: Mapping[str, str] = field(default_factory=dict)


def start_payload(identity: Identity, dialog: Dialog) -> dict[str, Any]:
    """Build what Start carries beside ``input.dialog_id`` (section 3).

    Everything the service has a default for is sent all the same: its
    documents and SDKs disagree about the defaults (section 14).
    """
    given = {"directive": "Start", "app_id": identity.app_id}
    if identity.workspace_id:
        given["workspace_id"] = identity.workspace_id
    upstream: dict[str, Any] = {
        "type": "AudioOnly",
        "mode": dialog.work_mode,
        "audio_format": dialog.upstream_mode,
        "sample_rate": dialog.us_sample_rate,
    }
    if dialog.vocabulary_id:
        upstream["vocabulary_id"] = dialog.vocabulary_id
    client: dict[str, Any] = {
        "user_id": identity.user_id,
        "device": {"uuid": identity.device_uuid},
    }
    if identity.signature:
        client["signature"] = dict(identity.signature)
    return {
        "task_group": "aigc",
        "task": "multimodal-generation",
        "function": "generation",
        "model": identity.model,
        "input": given,
        "parameters": {
            "upstream": upstream,
            "downstream": _downstream(dialog),
            "client_info": client,
        },
    }


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
    if dialog.transmit_rate_limit:
        downstream["transmit_rate_limit"] = dialog.transmit_rate_limit
    if "opus" in dialog.downstream_mode:
        downstream["frame_size"] = dialog.frame_size
        downstream["bit_rate"] = dialog.bit_rate
    return downstream


class Frames:
    """Writes the client's text frames of one task.

    Args:
        task_id: 32 hex digits, new for every connection.
        dialog_id: the dialog to go on with, or empty; Started replaces it.
    """

    def __init__(self, task_id: str, dialog_id: str) -> None:
        self.task_id = task_id
        self.dialog_id = dialog_id

    def start(self, payload: Mapping[str, Any]) -> str:
        """Write Start; the only run-task."""
        given = dict(payload["input"])
        if self.dialog_id:
            given["dialog_id"] = self.dialog_id
        return self._frame("run-task", {**payload, "input": given})

    def stop(self) -> str:
        """Write Stop; the only finish-task."""
        return self._frame("finish-task", {"input": self._input("Stop")})

    def directive(self, name: str, **fields: str) -> str:
        """Write any other directive, with further ``input`` fields."""
        return self._frame("continue-task", {"input": {**self._input(name), **fields}})

    def _input(self, directive: str) -> dict[str, str]:
        if not self.dialog_id:
            return {"directive": directive}
        return {"directive": directive, "dialog_id": self.dialog_id}

    def _frame(self, action: str, payload: Mapping[str, Any]) -> str:
        header = {"action": action, "task_id": self.task_id, "streaming": "duplex"}
        return json.dumps({"header": header, "payload": payload}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Started:
    """``task-started`` or ``task-finished``: the envelope's own news."""

    finished: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """The task is over: a gateway error or a fatal service error (section 11).

    Attributes:
        code: error code of the gateway, or status code of the service.
        name: status name of the service, else the code.
        message: what the cloud says about it.
    """

    code: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Output:
    """A ``result-generated`` frame's output; absent fields are empty."""

    event: str
    dialog_id: str = ""
    state: str = ""
    text: str = ""
    spoken: str = ""
    finished: bool = False
    error_code: str = ""
    error_name: str = ""
    error_message: str = ""
    asking: Asking = field(default_factory=Asking)


Message = Started | Failed | Output


def parse(text: str) -> Message | None:
    """Read one server text frame; None if it says nothing that has a meaning here.

    Raises:
        MalformedMessage: not JSON, or a field that is used has the wrong type.
    """
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = f"{len(text)} characters that are not JSON"
        raise MalformedMessage(f"the cloud sent a text of {what}") from error
    header = _object(frame, "header", "the frame")
    event = _field(header, "event", str, "")
    if event == "task-failed":
        code = _field(header, "error_code", str, "") or "task-failed"
        return Failed(code, code, _field(header, "error_message", str, ""))
    if event in {"task-started", "task-finished"}:
        return Started(finished=event == "task-finished")
    status = _field(header, "status_code", (int, str), "")
    if event == "result-generated" and str(status) not in {"", "200"}:
        name = _field(header, "status_name", str, "") or str(status)
        return Failed(str(status), name, _field(header, "status_message", str, ""))
    if event != "result-generated" or not frame.get("payload"):
        return None
    payload = _object(frame, "payload", "the frame")
    return _output(_object(payload, "output", "payload")) if payload.get("output") else None


def _output(output: Mapping[str, Any]) -> Output:
    return Output(
        event=_field(output, "event", str, ""),
        dialog_id=_field(output, "dialog_id", str, ""),
        state=_field(output, "state", str, ""),
        text=_field(output, "text", str, ""),
        spoken=_field(output, "spoken", str, ""),
        finished=_field(output, "finished", bool, False),
        error_code=str(_field(output, "error_code", (int, str), "")),
        error_name=_field(output, "error_name", str, ""),
        error_message=_field(output, "error_message", str, ""),
        asking=asking(output),
    )


def _object(parent: Any, key: str, where: str) -> Mapping[str, Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, dict):
        raise MalformedMessage(f"the cloud sent no object {key!r} in {where}")
    return value


def _field(parent: Mapping[str, Any], key: str, kind: Any, default: Any) -> Any:
    value = parent.get(key)
    if value is None:
        return default
    if not isinstance(value, kind):
        # Not the value: it may be what somebody said, and log.wire was not asked for.
        raise MalformedMessage(f"the cloud sent {key!r} as {type(value).__name__}")
    return value
