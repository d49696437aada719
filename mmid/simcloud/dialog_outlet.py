"""What leaves the simulated cloud: honest frames, and the faults of a scenario.

The protocol core says here what it wants to send. The outlet makes the frames,
remembers when the client last got a text (the service's idle rule counts only
those), and lets the scenario's faults strike. It does no I/O either.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from mmid.simcloud import dialog_messages as messages
from mmid.simcloud.dialog_actions import (
    Action,
    Close,
    Drop,
    Note,
    Pause,
    SendAudio,
    SendBrokenText,
    SendText,
)
from mmid.simcloud.scenario import Fault

__all__ = ["FaultPlan", "Outlet"]

_POLITE = 1000
_HUGE = 1_100_000


class FaultPlan:
    """Counts the moments of all connections, and knows which fault is due.

    Shared by the connections of one service, so "the second Started" may be
    the first one of a second connection.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults
        self._seen: dict[str, int] = {}

    def due(self, moment: str) -> list[Fault]:
        """Count one occurrence of a moment, and return the faults that strike now."""
        count = self._seen[moment] = self._seen.get(moment, 0) + 1
        return [
            fault
            for fault in self._faults
            if fault.when == moment and fault.nth <= count < fault.nth + fault.times
        ]


class Outlet:
    """Collects the actions of one connection.

    Attributes:
        task_id: the client's task, empty before Start.
        dialog_id: the dialog, empty before Started.
        now: the time of the input that is being handled.
        text_at: when the client last got a text frame.
        closed: nothing leaves any more.
        turn_failed: a ``turn-error`` struck; the core ends the turn when it is done.
    """

    def __init__(self, plan: FaultPlan, now: float) -> None:
        self._plan = plan
        self._actions: list[Action] = []
        self._muted = False
        self.task_id = ""
        self.dialog_id = ""
        self.now = now
        self.text_at = now
        self.closed = False
        self.turn_failed = False

    def take(self) -> list[Action]:
        """Return what was collected, and begin anew."""
        actions, self._actions = self._actions, []
        return actions

    def put(self, action: Action) -> None:
        """Let an action out, unless a fault has closed or muted the connection."""
        if isinstance(action, Note) or not (self.closed or self._muted):
            self._actions.append(action)

    def event(self, name: str, **fields: Any) -> None:
        """Send an event of the dialog."""
        moment = fields["state"] if name == "DialogStateChanged" else name
        text = messages.event_text(self.task_id, self.dialog_id, name, fields)
        self._send(moment, SendText(text, name, fields))

    def task(self, event: str) -> None:
        """Send ``task-started`` or ``task-finished``."""
        self._send(event, SendText(messages.task_text(self.task_id, event), event))

    def audio(self, data: bytes) -> None:
        """Send a frame of the reply."""
        self._send("ReplyAudio", SendAudio(data))

    def close(self, code: int = _POLITE, reason: str = "") -> None:
        """Close politely."""
        self.put(Close(code, reason))
        self.closed = True

    def refuse(self, refusal: messages.Refusal) -> None:
        """Tell the client, and the journal, what it did wrong; then close."""
        self._note("refusal", reason=str(refusal), status=refusal.status, error=refusal.name)
        if refusal.gateway:
            self.task_failed(refusal.name, str(refusal))
        else:
            self.fatal(refusal.status, refusal.name, str(refusal))

    def task_failed(self, code: str, message: str) -> None:
        """Fail the task as the gateway does, and close."""
        text = messages.task_failed_text(self.task_id, code, message)
        self.put(SendText(text, "task-failed", {"code": code, "message": message}))
        self.close()

    def fatal(self, status: int, name: str, message: str) -> None:
        """Fail the dialog as the service does, and close."""
        text = messages.fatal_text(self.task_id, self.dialog_id, status, name, message)
        self.put(SendText(text, "Error", {"code": status, "error": name, "message": message}))
        self.close()

    def strike(self, moment: str) -> None:
        """Let the faults of a directive or a frame of speech happen."""
        for fault in self._plan.due(moment):
            self._break(fault)

    def _send(self, moment: str, action: SendText | SendAudio) -> None:
        faults = [] if self.closed else self._plan.due(moment)
        for fault in faults:
            if fault.do in ("delay", "mute"):
                self._break(fault)
        if isinstance(action, SendText) and not self._muted:
            self.text_at = self.now
        self.put(action)
        for fault in faults:
            if fault.do not in ("delay", "mute"):
                self._break(fault)

    def _note(self, kind: str, **fields: Any) -> None:
        self.put(Note(kind, self.now, fields))

    def _break(self, fault: Fault) -> None:
        self._note("fault", when=fault.when, do=":".join((fault.do, *fault.arguments)))
        if fault.do in _MALFORMED:
            for action in _MALFORMED[fault.do](self):
                self.put(action)
        elif fault.do == "turn-error":
            self._turn_error(*fault.arguments)
        else:
            self._cut(fault.do, fault.arguments)

    def _turn_error(self, code: str, name: str, message: str) -> None:
        fields = {"error_code": int(code), "error_name": name, "error_message": message}
        text = messages.event_text(self.task_id, self.dialog_id, "Error", fields)
        self.put(SendText(text, "Error", {"code": int(code), "error": name, "message": message}))
        self.turn_failed = True

    def _cut(self, do: str, arguments: tuple[str, ...]) -> None:
        match do:
            case "close":
                self.close(int(arguments[0]), "".join(arguments[1:]))
            case "drop":
                self.put(Drop())
                self.closed = True
            case "mute":
                self._muted = True
            case "delay":
                self.put(Pause(int(arguments[0]) / 1000))
            case "task-failed":
                self.task_failed(*arguments)
            case "fatal":
                self.fatal(int(arguments[0]), *arguments[1:])


def _wrong_types(outlet: Outlet) -> list[Action]:
    header = {"task_id": outlet.task_id, "event": "result-generated"}
    outputs = (
        7,
        {"event": ["Started"]},
        {"event": "DialogStateChanged", "state": 7},
        {"event": "SpeechContent", "text": {}, "finished": "maybe"},
    )
    frames: tuple[object, ...] = (
        *({"header": header, "payload": {"output": output}} for output in outputs),
        {"header": [], "payload": "x"},
        [],
        None,
    )
    return [SendText(json.dumps(frame), "wrong-types") for frame in frames]


def _huge_text(outlet: Outlet) -> list[Action]:
    fields = {"text": "x" * _HUGE, "finished": False}
    text = messages.event_text(outlet.task_id, outlet.dialog_id, "RespondingContent", fields)
    return [SendText(text, "huge-text")]


def _unknown_event(outlet: Outlet) -> list[Action]:
    fields = {"text": "from a later version", "finished": None}
    text = messages.event_text(outlet.task_id, outlet.dialog_id, "SomethingNew", fields)
    return [SendText(text, "SomethingNew")]


_MALFORMED: dict[str, Callable[[Outlet], list[Action]]] = {
    "not-json": lambda _: [SendText('{"header": oops', "not-json")],
    "wrong-types": _wrong_types,
    "huge-text": _huge_text,
    "invalid-utf8": lambda _: [SendBrokenText(b'{"header":{"event":"\xff\xfe\xc0"}}')],
    "odd-binary": lambda _: [SendAudio(b"\x01" * 641, stray=True)],
    "early-binary": lambda _: [SendAudio(b"\x01\x00" * 320, stray=True)],
    "unknown-event": _unknown_event,
}
