"""What leaves the simulated cloud: honest frames, and the faults of a scenario.

The protocol core says here what it wants to send. The outlet makes the frames,
remembers when the client last got a text (the service's idle rule counts only
those), and lets the scenario's faults strike. It does no I/O either.
"""

from collections.abc import Sequence
from typing import Any

from mmid.simcloud.core.actions import (
    Action,
    Close,
    Drop,
    Note,
    Pause,
    SendAudio,
    SendText,
)
from mmid.simcloud.core.faults import Fault
from mmid.simcloud.multimodal_dialog import messages
from mmid.simcloud.multimodal_dialog.broken import BROKEN, Task

_POLITE = 1000

# Faults that strike before what they belong to is sent; the others come after it.
_BEFORE = ("lose", "delay", "mute")

# Broken data after which nothing more can be sent.
_LAST = ("half-frame", "bad-opcode", "long-reason")


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

    def strike(self, moment: str) -> bool:
        """Let the faults of a directive or a frame of speech happen; False if it is lost."""
        due = self._plan.due(moment)
        for fault in due:
            self._break(fault)
        return all(fault.do != "lose" for fault in due)

    def _send(self, moment: str, action: SendText | SendAudio) -> None:
        faults = [] if self.closed else self._plan.due(moment)
        before = [fault for fault in faults if fault.do in _BEFORE]
        for fault in before:
            self._break(fault)
        if all(fault.do != "lose" for fault in before):
            if isinstance(action, SendText) and not self._muted:
                self.text_at = self.now
            self.put(action)
        for fault in faults:
            if fault.do == "repeat":
                self._note_fault(fault)
                for _ in range(int((*fault.arguments, "1")[0])):
                    self.put(action)
            elif fault not in before:
                self._break(fault)

    def _note(self, kind: str, **fields: Any) -> None:
        self.put(Note(kind, self.now, fields))

    def _note_fault(self, fault: Fault) -> None:
        self._note("fault", when=fault.when, do=str(fault))

    def _break(self, fault: Fault) -> None:
        self._note_fault(fault)
        if fault.do in BROKEN:
            for action in BROKEN[fault.do](Task(self.task_id, self.dialog_id), fault.arguments):
                self.put(action)
            self.closed = self.closed or fault.do in _LAST
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
            case "turn-error":
                self._turn_error(*arguments)
