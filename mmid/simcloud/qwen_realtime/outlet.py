"""What leaves a ``qwen-realtime`` connection: its events, its errors and its own faults."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from mmid.simcloud.core.actions import Flood, JournalLine, SendReplyAudio, SendText
from mmid.simcloud.core.faults import FaultPlan
from mmid.simcloud.core.outlet import Outlet
from mmid.simcloud.qwen_realtime.names import to_handbook
from mmid.simcloud.qwen_realtime.session import InvalidRequest

# Longer than the 8 MiB of a message that clients allow.
_HUGE = 8_500_000
_WRONG_TYPES: tuple[Any, ...] = (
    7,
    [],
    None,
    {"type": 7},
    {"type": ["response.done"]},
    {"type": "response.created", "response": "x"},
    {"type": "response.audio.delta", "delta": {}, "response_id": 7},
    {"type": "response.audio_transcript.delta", "delta": None},
    {"type": "response.function_call_arguments.done", "call_id": [], "arguments": 7},
    {"type": "response.done", "response": {"usage": [], "status": 7}},
    {"type": "error", "error": None},
)


class RealtimeOutlet(Outlet):
    """The outlet of one connection.

    Args:
        plan: the faults.
        now: the time of the connection.
        new_id: makes a UUID.

    Attributes:
        handbook: the client speaks the handbook's words, and is answered in them.
    """

    def __init__(self, plan: FaultPlan, now: float, new_id: Callable[[], str]) -> None:
        own: dict[str, Callable[..., None]] = {
            "error-event": self._error_event,
            "bad-base64": lambda: self._delta("not base64!"),
            "odd-base64": lambda: self._delta("AAAAA"),
            "dead-audio": self.dead_audio,
            "wrong-types": self._wrong_types,
            "unknown-event": lambda: self._put({"type": "response.dreamed", "text": "later"}),
            "huge-text": lambda: self._put({"type": "response.text.delta", "delta": "x" * _HUGE}),
            "text-flood": self._text_flood,
        }
        super().__init__(plan, now, own)
        self._new_id = new_id
        self._response_id = ""
        self.handbook = False

    def event(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        self._response_id = fields.get("response_id", self._response_id)
        text = self._text({"type": kind, **fields})
        if text:
            self.send(kind, SendText(text, kind, _facts(fields)))

    def audio(self, data: bytes, **fields: Any) -> None:
        """Send a delta of a reply's audio."""
        self.send("ReplyAudio", SendReplyAudio(data, text=self._audio_text(data, **fields)))

    def stray_audio(self, data: bytes, **fields: Any) -> None:
        """Send a delta that belongs to no reply that the client may still hear."""
        self.put(SendReplyAudio(data, stray=True, text=self._audio_text(data, **fields)))

    def dead_audio(self) -> None:
        """Send a delta of a response that was never created."""
        self.stray_audio(b"\x01\x00" * 320, response_id="resp_dead", item_id="item_dead")

    def refuse(self, request: InvalidRequest) -> None:
        """Tell the client, and the journal, what it did wrong; the session stays open."""
        if not request.harmless:
            facts = {"reason": str(request), "status": 0, "error": request.code}
            self.put(JournalLine("refusal", self.now, facts))
        self.error(str(request), request.code, param=request.param)

    def error(
        self, message: str, code: str, kind: str = "invalid_request_error", **fields: Any
    ) -> None:
        """Send an ``error``."""
        error = {"type": kind, "code": code, "message": message, "param": None, **fields}
        self.event("error", error=error)

    def _error_event(self, kind: str, code: str, message: str) -> None:
        self._put({"type": "error", "error": {"type": kind, "code": code, "message": message}})

    def _delta(self, delta: str) -> None:
        self._put(
            {"type": "response.audio.delta", "response_id": self._response_id, "delta": delta}
        )

    def _wrong_types(self) -> None:
        for frame in _WRONG_TYPES:
            self.put(SendText(json.dumps(frame), "wrong-types"))

    def _text_flood(self, count: str) -> None:
        text = self._text({"type": "response.text.delta", "delta": "again", "response_id": "x"})
        self.put(Flood(SendText(text, "text-flood"), int(count)))

    def _put(self, event: Mapping[str, Any]) -> None:
        """Send what a fault sends, which is no moment for another one."""
        self.put(SendText(self._text(event), str(event["type"])))

    def _audio_text(self, data: bytes, **fields: Any) -> str:
        delta = base64.b64encode(data).decode()
        return self._text({"type": "response.audio.delta", "delta": delta, **fields})

    def _text(self, event: Mapping[str, Any]) -> str:
        """Return an event as it goes over the wire; empty: the client has no word for it."""
        whole = {"event_id": f"event_{self._new_id()}", **event}
        wire = to_handbook(whole) if self.handbook else whole
        return json.dumps(wire, ensure_ascii=False) if wire is not None else ""


def _facts(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the journal says of an event beside its type: what a person looks for."""
    flat = {**fields, **fields.get("response", {}), **(fields.get("error") or {})}
    keys = "delta text stash transcript call_id arguments status code message"
    return {key: flat[key] for key in keys.split() if flat.get(key) is not None}
