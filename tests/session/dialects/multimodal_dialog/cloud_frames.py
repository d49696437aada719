"""The cloud's text frames, written in one line each.

The forms, beside the name of an event that carries nothing but the dialog id::

    task-started, task-finished, task-failed CODE
    Started DIALOG_ID
    state STATE                     DialogStateChanged
    SpeechContent partial|final TEXT, RespondingContent partial|final TEXT
    Error CODE NAME                 a turn error: the connection stays
    fatal CODE NAME                 an error of the service that ends the task
    raw TEXT                        the text itself, to be malformed
"""

import json
from collections.abc import Callable
from typing import Any

TASK_ID = "0123456789abcdef0123456789abcdef"


def server_frame(line: str) -> str:
    """Return the frame that a line stands for."""
    name, _, rest = line.partition(" ")
    form = _FORMS.get(name)
    return form(rest) if form else output_frame(name, dialog_id="d-1")


def output_frame(event: str, **output: Any) -> str:
    """Return a result-generated frame (multimodal-dialog section 2)."""
    payload = {"output": {"event": event, **output}}
    return _frame({"event": "result-generated", "attributes": {}}, payload)


def _frame(header: dict[str, Any], payload: dict[str, Any]) -> str:
    return json.dumps({"header": {"task_id": TASK_ID, **header}, "payload": payload})


def _content(event: str, progress: str, text: str = "") -> str:
    finished = {"partial": False, "final": True}[progress]
    spoken = {"spoken": text} if event == "RespondingContent" else {}
    return output_frame(event, dialog_id="d-1", text=text, finished=finished, **spoken)


def _turn_error(code: str, name: str) -> str:
    return output_frame("Error", error_code=int(code), error_name=name, error_message="so it is")


def _fatal(code: str, name: str) -> str:
    status = {"status_code": int(code), "status_name": name, "status_message": "so it is"}
    return _frame({"event": "result-generated", **status}, {"output": {"event": "Error"}})


def _task_failed(code: str) -> str:
    failure = {"error_code": code, "error_message": "so it is"}
    return _frame({"event": "task-failed", **failure}, {})


_FORMS: dict[str, Callable[[str], str]] = {
    "task-started": lambda _: _frame({"event": "task-started", "attributes": {}}, {}),
    "task-finished": lambda _: _frame({"event": "task-finished"}, {}),
    "task-failed": _task_failed,
    "Started": lambda dialog_id: output_frame("Started", dialog_id=dialog_id),
    "state": lambda state: output_frame("DialogStateChanged", state=state, dialog_id="d-1"),
    "SpeechContent": lambda rest: _content("SpeechContent", *rest.split(" ", 1)),
    "RespondingContent": lambda rest: _content("RespondingContent", *rest.split(" ", 1)),
    "Error": lambda rest: _turn_error(*rest.split()),
    "fatal": lambda rest: _fatal(*rest.split()),
    "raw": lambda text: text,
}
