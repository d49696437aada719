"""The text frames of ``multimodal-dialog``, as the cloud reads and writes them.

Reading is strict: a frame of the wrong shape raises ``ProtocolViolation`` with the exact
field. Null counts as absent, because Alibaba's own Python client sends nulls;
fields that the protocol does not name are ignored for the same reason.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mmid.simcloud.core.json_text import read_json

_TASK_ID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ACTIONS = {"Start": "run-task", "Stop": "finish-task"}


class ProtocolViolation(Exception):
    """The client broke the protocol. It never leaves ``protocol``.

    Args:
        message: what was wrong and where, for the client to read.
        status: the service's code (fact sheet, section 11).
        name: the service's name for it; the gateway's error code when ``gateway``.
        gateway: the envelope itself is wrong, so the answer is ``task-failed``.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 421,
        name: str = "InvalidParameter",
        gateway: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.gateway = gateway


@dataclass(frozen=True, slots=True)
class Directive:
    """One client text frame whose envelope is right."""

    name: str
    task_id: str
    payload: Mapping[str, Any]
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one field must be.

    Attributes:
        path: where it is, from the checked table on.
        kind: its JSON type.
        required: it must be there and not null.
        allowed: the values it may have.
        longest: most characters.
    """

    path: str
    kind: type
    required: bool = False
    allowed: Collection[Any] | None = field(default=None)
    longest: int | None = None


def find(table: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None where there is none."""
    value: Any = table
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def check(table: Mapping[str, Any], rules: Collection[Rule], where: str = "payload") -> None:
    """Refuse a payload, or the part of it that is ``where``, that breaks one of the rules."""
    for rule in rules:
        value, place = find(table, rule.path), f"{where}.{rule.path}"
        if value is None:
            if rule.required:
                raise ProtocolViolation(f"{place} is missing")
        elif type(value) is not rule.kind:
            raise ProtocolViolation(
                f"{place} must be {rule.kind.__name__}, not {type(value).__name__}"
            )
        elif rule.allowed is not None and value not in rule.allowed:
            raise ProtocolViolation(f"{place} is {value!r}; allowed: {_show(rule.allowed)}")
        elif rule.longest is not None and not 1 <= len(str(value)) <= rule.longest:
            raise ProtocolViolation(f"{place} must have 1 to {rule.longest} characters")


def read_directive(text: str, task_id: str | None) -> Directive:
    """Read a client's text frame.

    Args:
        text: the frame.
        task_id: the task of this connection, or None before Start.

    Raises:
        ProtocolViolation: the envelope is wrong.
    """
    header, payload = _envelope(text)
    own = header.get("task_id")
    if not isinstance(own, str) or not _TASK_ID.fullmatch(own):
        raise ProtocolViolation("header.task_id must be 32 hex digits or a UUID", gateway=True)
    if task_id is not None and own != task_id:
        raise ProtocolViolation("header.task_id is not the task of this connection", gateway=True)
    if header.get("streaming") != "duplex":
        raise ProtocolViolation('header.streaming must be "duplex"', gateway=True)
    table = payload.get("input")
    name = table.get("directive") if isinstance(table, dict) else None
    if not isinstance(name, str):
        raise ProtocolViolation("payload.input.directive must be a string", gateway=True)
    action = _ACTIONS.get(name, "continue-task")
    if header.get("action") != action:
        raise ProtocolViolation(f"header.action must be {action!r} for {name}", gateway=True)
    return Directive(name, own, payload, cast("dict[str, Any]", table))


def task_text(task_id: str, event: str) -> str:
    """Return ``task-started`` or ``task-finished``."""
    header = {"task_id": task_id, "event": event, "attributes": {}}
    return _compact({"header": header, "payload": {}})


def task_failed_text(task_id: str, code: str, message: str) -> str:
    """Return the gateway's refusal."""
    header = {
        "task_id": task_id,
        "event": "task-failed",
        "error_code": code,
        "error_message": message,
        "attributes": {},
    }
    return _compact({"header": header, "payload": {}})


def event_text(task_id: str, dialog_id: str, name: str, fields: Mapping[str, Any]) -> str:
    """Return an event of the dialog."""
    header = {"task_id": task_id, "event": "result-generated", "attributes": {}}
    output = {"event": name, "dialog_id": dialog_id, **fields}
    return _compact({"header": header, "payload": {"output": output}})


def fatal_text(task_id: str, dialog_id: str, status: int, name: str, message: str) -> str:
    """Return the service's refusal, after which it closes."""
    header = {
        "task_id": task_id,
        "event": "result-generated",
        "status_code": status,
        "status_name": name,
        "status_message": message,
        "attributes": {},
    }
    output = {"event": "Error", "dialog_id": dialog_id}
    return _compact({"header": header, "payload": {"output": output}})


def _envelope(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        frame = read_json(text)
    except ValueError as error:
        raise ProtocolViolation(f"the text frame is not JSON: {error}", gateway=True) from error
    header = frame.get("header") if isinstance(frame, dict) else None
    payload = frame.get("payload") if isinstance(frame, dict) else None
    if not isinstance(header, dict) or not isinstance(payload, dict):
        raise ProtocolViolation("the frame must have the objects header and payload", gateway=True)
    return header, payload


def _show(allowed: Collection[Any]) -> str:
    if isinstance(allowed, range):
        return f"{allowed.start} to {allowed.stop - 1}"
    return ", ".join(str(value) for value in allowed)


def _compact(frame: Mapping[str, Any]) -> str:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
