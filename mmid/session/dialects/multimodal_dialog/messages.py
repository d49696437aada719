"""What the cloud sends in ``multimodal-dialog``, as it is written: sections 2, 5 and 11.

Parsing is strict about what is used and blind to the rest: unknown fields and
events are allowed, a field of the wrong type is not.
"""

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from mmid.errors import MalformedMessage
from mmid.frozen import frozen
from mmid.session.dialects.multimodal_dialog.commands import Asking, asking


@frozen
class Started:
    """``task-started`` or ``task-finished``: the envelope's own news."""

    finished: bool


@frozen
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


@frozen
class Output:
    """A ``result-generated`` frame's output; absent fields are empty."""

    event: str
    dialog_id: str = ""
    state: str = ""
    text: str = ""
    spoken: str = ""
    finished: bool = False
    round_id: str = ""
    error_code: str = ""
    error_name: str = ""
    error_message: str = ""
    asking: Asking = field(default_factory=Asking)


ServerMessage = Started | Failed | Output


def parse(text: str) -> ServerMessage | None:
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
        round_id=_field(output, "round_id", str, ""),
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
