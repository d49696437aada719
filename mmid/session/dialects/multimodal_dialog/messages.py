"""What the cloud sends in ``multimodal-dialog``, as it is written: sections 2, 5 and 11.

Parsing is strict about what is used and blind to the rest: unknown fields and
events are allowed, a field of the wrong type is not.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mmid.errors import MalformedMessage
from mmid.frozen import frozen
from mmid.session.dialects.multimodal_dialog.commands import Asked, asking
from mmid.session.effects import Next

# Nothing was said: a quick press. The turn just ends.
SILENT_TURN_ERRORS = frozenset({"451"})

# InvalidParameter: the cloud found fault with what Start said.
START_REFUSED = "421"

# What to do after a failure that ended the task (section 11); most heal by a new connection.
AFTER_FAILURE = {
    # Waiting cannot mend these; the operator must. Connect() tries again.
    START_REFUSED: Next.STOP,
    "432": Next.STOP,
    "AccessDenied.Unpurchased": Next.STOP,
    "Model.AccessDenied": Next.STOP,
    "433": Next.HOURS,  # billing: an operator can mend it from afar
    # Trying again at once would meet the same, or make it worse.
    "424": Next.LATER,
    "449": Next.LATER,
}


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
    asking: Sequence[Asked | str] = ()


def parse(text: str) -> Failed | Output | None:
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
    event = _field(header, "event")
    if event == "task-failed":
        code = _field(header, "error_code") or event
        return Failed(code, code, _field(header, "error_message"))
    if event != "result-generated":
        return None
    status = str(_field(header, "status_code", (int, str)))
    if status not in {"", "200"}:
        return Failed(
            status, _field(header, "status_name") or status, _field(header, "status_message")
        )
    if not frame.get("payload"):
        return None
    payload = _object(frame, "payload", "the frame")
    return _output(_object(payload, "output", "payload")) if payload.get("output") else None


def _output(output: Mapping[str, Any]) -> Output:
    return Output(
        event=_field(output, "event"),
        dialog_id=_field(output, "dialog_id"),
        state=_field(output, "state"),
        text=_field(output, "text"),
        spoken=_field(output, "spoken"),
        finished=_field(output, "finished", bool) or False,
        round_id=_field(output, "round_id"),
        error_code=str(_field(output, "error_code", (int, str))),
        error_name=_field(output, "error_name"),
        error_message=_field(output, "error_message"),
        asking=asking(output),
    )


def _object(parent: Any, key: str, where: str) -> Mapping[str, Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, dict):
        raise MalformedMessage(f"the cloud sent no object {key!r} in {where}")
    return value


def _field(parent: Mapping[str, Any], key: str, kind: Any = str) -> Any:
    """Return a field that has the right type; an absent one is the empty text."""
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, kind):
        # Not the value: it may be what somebody said, and log.wire was not asked for.
        raise MalformedMessage(f"the cloud sent {key!r} as {type(value).__name__}")
    return value
