"""What the cloud sends in ``multimodal-dialog``, as it is written: sections 2, 5 and 11.

Parsing is strict about what is used and blind to the rest: unknown fields and
events are allowed, a field of the wrong type is not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmid.errors import MalformedMessage
from mmid.frozen import frozen
from mmid.json_text import read_json, whole
from mmid.secrets import redact
from mmid.session.dialects.multimodal_dialog.device_commands import Asked, asking
from mmid.session.effects import Next

# Names and ids are remembered and repeated: longer ones are none. The longest known has 36.
LONGEST_NAME = 128

# What a failure says is kept as LastError, and read by a person.
_LONGEST_MESSAGE = 1024

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


# Not ``frozen``, which takes ten times as long for so many fields, given by name.
@dataclass(slots=True)
class Output:
    """A ``result-generated`` frame's output; absent fields are empty.

    ``text`` and ``spoken`` are as they came: they may begin or end in half a character.
    """

    event: str = ""
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
        frame = read_json(text)
    except ValueError as error:
        what = f"{len(text)} characters that are not JSON"
        raise MalformedMessage(f"the cloud sent a text of {what}") from error
    header = _object(frame, "header", "the frame")
    event = _name(header, "event")
    if event == "task-failed":
        code = _name(header, "error_code") or event
        return Failed(code, code, _message(header, "error_message"))
    if event != "result-generated":
        return None
    status = _code(header, "status_code")
    if status not in {"", "200"}:
        name = _name(header, "status_name") or status
        return Failed(status, name, _message(header, "status_message"))
    if not frame.get("payload"):
        return None
    payload = _object(frame, "payload", "the frame")
    return _output(_object(payload, "output", "payload")) if payload.get("output") else None


def _output(output: Mapping[str, Any]) -> Output:
    # A frame has three or four of them, and there are ten such frames a second.
    read = {key: _FIELDS[key](output, key) for key in output if key in _FIELDS}
    return Output(**read, asking=asking(output))


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


def _name(parent: Mapping[str, Any], key: str, kind: Any = str) -> str:
    """Return a field that may be remembered."""
    value = whole(str(_field(parent, key, kind)))
    if len(value) > LONGEST_NAME:
        raise MalformedMessage(f"the cloud sent {key!r} of {len(value)} characters")
    return value


def _message(parent: Mapping[str, Any], key: str) -> str:
    """Return a field that a person reads."""
    return whole(redact(_field(parent, key))[:_LONGEST_MESSAGE])


def _code(parent: Mapping[str, Any], key: str) -> str:
    """Return a code, which is a number in some frames."""
    return _name(parent, key, (int, str))


def _flag(parent: Mapping[str, Any], key: str) -> bool:
    return _field(parent, key, bool) or False


# How each field of an output is read.
_FIELDS: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {
    "event": _name,
    "dialog_id": _name,
    "state": _name,
    "text": _field,
    "spoken": _field,
    "finished": _flag,
    "round_id": _name,
    "error_code": _code,
    "error_name": _name,
    "error_message": _message,
}
