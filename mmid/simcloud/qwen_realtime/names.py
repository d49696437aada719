"""The two vocabularies of the protocol: the service's own, and the handbook's.

The handbook nests an event in ``data`` and has other names for most (fact sheet,
section 15); the real service understands only its own. This one understands both, and
answers a client in the words that the client used first. It has no name for many of the
service's events: those a client of the handbook does not get.
"""

from collections.abc import Mapping
from typing import Any

Event = Mapping[str, Any]

_RESPOND: Event = {"type": "response.create"}

# The service's name -> the handbook's, and what the one member that counts is called there.
_HANDBOOK: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "response.text.delta": ("response.output_text.delta", {"delta": "text"}),
    "response.audio_transcript.delta": ("response.output_text.delta", {"delta": "text"}),
    "response.audio.delta": ("response.output_audio.delta", {"delta": "audio"}),
    "response.function_call_arguments.done": (
        "response.function_call",
        {"name": "name", "arguments": "arguments", "call_id": "tool_call_id"},
    ),
    "response.done": ("response.completed", {}),
    "input_audio_buffer.speech_started": ("turn_detected", {}),
    "input_audio_buffer.speech_stopped": ("turn_detected", {}),
}
_UNCHANGED = {"session.created": "session", "session.updated": "session", "error": "error"}


def is_handbook(event: Event) -> bool:
    """Tell whether a client's event is in the handbook's words."""
    return isinstance(event.get("data"), dict) or event.get("type") == "session.create"


def from_handbook(event: Event) -> list[Event]:
    """Return what a client's event is in the service's own words.

    The handbook has no ``response.create``: a commit, a text or a tool's output asks for
    the response itself.
    """
    data = event.get("data")
    flat = {**(data if isinstance(data, dict) else {}), **event}
    flat.pop("data", None)
    match event.get("type"):
        case "session.create" | "session.update":
            session = flat.get("session", data)
            return [{"type": "session.update", "session": session}]
        case "input_text":
            content = [{"type": "input_text", "text": flat.get("text")}]
            item = {"type": "message", "role": "user", "content": content}
            return [{"type": "conversation.item.create", "item": item}, _RESPOND]
        case "input_image":
            return [{"type": "input_image_buffer.append", "image": flat.get("image")}]
        case "input_tool_output":
            output: Event = {
                "type": "function_call_output",
                "call_id": flat.get("tool_call_id"),
                "output": flat.get("output"),
            }
            return [{"type": "conversation.item.create", "item": output}, _RESPOND]
        case "input_audio_buffer.commit":
            return [flat, _RESPOND]
        case _:
            return [flat]


def to_handbook(event: Event) -> Event | None:
    """Return what an event of the service is in the handbook; None: it is not in it."""
    kind = event["type"]
    if kind in _UNCHANGED:
        return {"id": event["event_id"], "type": kind, "data": event[_UNCHANGED[kind]]}
    if kind not in _HANDBOOK:
        return None
    name, members = _HANDBOOK[kind]
    data = {theirs: event[ours] for ours, theirs in members.items()}
    return {"id": event["event_id"], "type": name, "data": data}
