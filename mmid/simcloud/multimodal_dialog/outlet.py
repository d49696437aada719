"""What leaves a ``multimodal-dialog`` connection: its frames, its errors and its own faults."""

import json
from collections.abc import Callable
from typing import Any

from mmid.simcloud.core.actions import Flood, JournalLine, SendReplyAudio, SendText
from mmid.simcloud.core.faults import FaultPlan
from mmid.simcloud.core.outlet import HUGE, Outlet
from mmid.simcloud.multimodal_dialog import messages


class DialogOutlet(Outlet):
    """The outlet of one dialog.

    Attributes:
        task_id: the client's task, empty before Start.
        dialog_id: the dialog, empty before Started.
        turn_failed: a ``turn-error`` struck; the protocol ends the turn when it is done.
    """

    def __init__(self, plan: FaultPlan, now: float) -> None:
        own: dict[str, Callable[..., None]] = {
            "task-failed": self.task_failed,
            "fatal": lambda status, name, message: self.fatal(int(status), name, message),
            "turn-error": self._turn_error,
            "wrong-types": self._wrong_types,
            "unknown-event": self._unknown_event,
            "unknown-state": self._unknown_state,
            "huge-text": self._huge_text,
            "text-flood": self._text_flood,
        }
        super().__init__(plan, now, own)
        self.task_id = ""
        self.dialog_id = ""
        self.turn_failed = False

    def event(self, name: str, **fields: Any) -> None:
        """Send an event of the dialog."""
        moment = fields["state"] if name == "DialogStateChanged" else name
        self.send(moment, SendText(self._text(name, **fields), name, fields))

    def task(self, event: str) -> None:
        """Send ``task-started`` or ``task-finished``."""
        self.send(event, SendText(messages.task_text(self.task_id, event), event))

    def audio(self, data: bytes) -> None:
        """Send a frame of the reply."""
        self.send("ReplyAudio", SendReplyAudio(data))

    def refuse(self, violation: messages.ProtocolViolation) -> None:
        """Tell the client, and the journal, what it did wrong; then close."""
        reason, status, name = str(violation), violation.status, violation.name
        told = {"reason": reason, "status": status, "error": name}
        self.put(JournalLine("refusal", self.now, told))
        if violation.gateway:
            self.task_failed(name, reason)
        else:
            self.fatal(status, name, reason)

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

    def _turn_error(self, code: str, name: str, message: str) -> None:
        text = self._text("Error", error_code=int(code), error_name=name, error_message=message)
        self.put(SendText(text, "Error", {"code": int(code), "error": name, "message": message}))
        self.turn_failed = True

    def _wrong_types(self) -> None:
        header = {"task_id": self.task_id, "event": "result-generated"}
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
        for frame in frames:
            self.put(SendText(json.dumps(frame), "wrong-types"))

    def _text_flood(self, count: str) -> None:
        text = self._text("RespondingContent", text="again", spoken="again", finished=False)
        self.put(Flood(SendText(text, "text-flood"), int(count)))

    def _unknown_event(self) -> None:
        text = self._text("SomethingNew", text="from a later version", finished=None)
        self.put(SendText(text, "SomethingNew"))

    def _unknown_state(self) -> None:
        text = self._text("DialogStateChanged", state="Dreaming")
        self.put(SendText(text, "unknown-state"))

    def _huge_text(self) -> None:
        text = self._text("RespondingContent", text="x" * HUGE, finished=False)
        self.put(SendText(text, "huge-text"))

    def _text(self, name: str, **fields: Any) -> str:
        return messages.event_text(self.task_id, self.dialog_id, name, fields)
