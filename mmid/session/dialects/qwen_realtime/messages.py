"""What the service sends in Qwen-Omni Realtime, in whichever words (sections 6 and 15).

Three vocabularies say the same: the service's own, the handbook's, which nests everything
in ``data``, and OpenAI's newer names. All become one ``ServerEvent`` here, so nothing
behind this file knows that there are more. Parsing is strict about what is used and blind
to the rest: unknown fields and events are allowed, a field of the wrong type is not.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmid.errors import MalformedMessage
from mmid.json_text import read_json, whole, written
from mmid.secrets import redact
from mmid.session.dialects.turn import LONGEST_TEXT

# Tokens that a response may cost: what is more is no count, and the sum of years must fit the bus.
_COUNTS = range(1 << 32)

# Another name of an event -> the service's own.
_ALIASES = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.completed": "response.done",
    "response.function_call": "response.function_call_arguments.done",
    "conversation.item.added": "conversation.item.created",
}

# What we keep of a text: a word of the protocol, or what a person is told.
_LONGEST_WORD = 128
_LONGEST_MESSAGE = 1024
# What a model asks a function for; more is not what anybody says in a sentence.
_LONGEST_ARGUMENTS = 65536


# Not ``frozen``, which takes ten times as long for so many fields, given by name.
@dataclass(slots=True)
class ServerEvent:
    """One event; what it does not have is empty.

    Attributes:
        kind: its type, in the service's own words.
        response_id: the response that it is a part of, or is about.
        item_id: the item of the conversation that it is about.
        text: the new part of a text, or the whole of it in a ``done``.
        preview: what was understood so far, whole; None if only ``text`` is new.
        audio: samples, 16-bit little-endian mono; may begin or end in the middle of one.
        spoken: the part that begins will be heard.
        call_id: names a call of a function.
        name: of the function.
        arguments: of the call, as JSON.
        status: how the response ended.
        usage: what it cost: ``input_tokens``, ``output_tokens`` and ``total_tokens``.
        session_id: names the session.
        error_kind: ``invalid_request_error`` or another one.
        error_code: of the error.
        message: what the service says about it.
    """

    kind: str
    response_id: str = ""
    item_id: str = ""
    text: str = ""
    preview: str | None = None
    audio: bytes = b""
    spoken: bool = False
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    status: str = ""
    usage: Mapping[str, int] | None = None
    session_id: str = ""
    error_kind: str = ""
    error_code: str = ""
    message: str = ""


def parse(text: str) -> ServerEvent:
    """Read a text frame.

    Raises:
        MalformedMessage: it is no event, or a member of it has the wrong type.
    """
    try:
        raw = read_json(text)
    except ValueError:
        raise MalformedMessage("the cloud sent a text that is not JSON") from None
    if not isinstance(raw, dict):
        raise MalformedMessage("the cloud sent JSON that is no object")
    data = raw.get("data")
    nested = data if isinstance(data, dict) else {}
    flat = {**nested, **raw}
    kind = _word(flat, "type")
    if not kind:
        raise MalformedMessage("the cloud sent an event without a type")
    kind = _ALIASES.get(kind, kind)
    read = _READERS.get(kind)
    return ServerEvent(kind=kind, **(read(flat, nested) if read else {}))


def _texts(flat: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    return {**_where(flat), "text": _text(flat, "delta", "transcript", "text")}


def _preview(flat: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    """What was understood so far: ``text`` and ``stash`` replace, a ``delta`` is appended."""
    whole = "stash" in flat or "text" in flat
    preview = _text(flat, "text") + _text(flat, "stash") if whole else None
    return {**_where(flat), "preview": preview, "text": "" if whole else _text(flat, "delta")}


def _audio(flat: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    encoded = flat.get("delta", flat.get("audio"))
    if not isinstance(encoded, str):
        raise MalformedMessage("the cloud sent audio that is no text")
    try:
        audio = a2b_base64(encoded, strict_mode=True)
    except (Base64Error, ValueError):
        raise MalformedMessage("the cloud sent audio that is no base64") from None
    return {**_where(flat), "audio": audio}


def _part(flat: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    return {**_where(flat), "spoken": _word(_object(flat, "part"), "type") == "audio"}


def _call(flat: Mapping[str, Any], nested: Mapping[str, Any]) -> dict[str, Any]:
    arguments = flat.get("arguments")
    if isinstance(arguments, dict):  # the handbook's
        arguments = written(arguments)
    if not isinstance(arguments, str) or len(arguments) > _LONGEST_ARGUMENTS:
        raise MalformedMessage("the cloud called a function with arguments that are no short JSON")
    named = _word(flat, "call_id", "tool_call_id") or _word(nested, "id")
    name = _word(flat, "name")
    return {**_where(flat), "call_id": named, "name": name, "arguments": whole(arguments).strip()}


def _response(flat: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    response = _object(flat, "response")
    usage = _object(response, "usage")
    counted = {key: usage.get(key) for key in ("input_tokens", "output_tokens", "total_tokens")}
    return {
        "response_id": _word(response, "id") or _word(flat, "response_id"),
        "status": _word(response, "status"),
        "usage": {key: n for key, n in counted.items() if type(n) is int and n in _COUNTS},
    }


def _session(flat: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    return {"session_id": _word(_object(flat, "session"), "id")}


def _failed(flat: Mapping[str, Any], nested: Mapping[str, Any]) -> dict[str, Any]:
    """An error: in ``error``, in ``data.error``, or ``data`` itself. Any of it may be missing."""
    error = _object(flat, "error") or nested
    return {
        **_where(flat),
        "error_kind": _word(error, "type"),
        "error_code": _word(error, "code"),
        "message": whole(redact(_text(error, "message"))[:_LONGEST_MESSAGE]),
    }


def _where(flat: Mapping[str, Any], _: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"response_id": _word(flat, "response_id"), "item_id": _word(flat, "item_id")}


def _object(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = table.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedMessage(f"the cloud sent an event whose {name} is no object")
    return value


def _text(table: Mapping[str, Any], *names: str) -> str:
    """Return the first of these members that is there, as a text that can go anywhere."""
    value = next((table[name] for name in names if table.get(name) is not None), "")
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise MalformedMessage(f"the cloud sent an event whose {names[0]} is no text")
    return value


def _word(table: Mapping[str, Any], *names: str) -> str:
    """Return a short text: an id, a type, a name."""
    value = _text(table, *names)
    if len(value) > _LONGEST_WORD or not value.isprintable():
        raise MalformedMessage(f"the cloud sent an event whose {names[0]} is no name")
    return value


_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_READERS = {
    "session.created": _session,
    "session.updated": _session,
    "error": _failed,
    "input_audio_buffer.speech_started": _where,
    "input_audio_buffer.speech_stopped": _where,
    "input_audio_buffer.committed": _where,
    f"{_TRANSCRIPTION}.delta": _preview,
    f"{_TRANSCRIPTION}.completed": _texts,
    f"{_TRANSCRIPTION}.failed": _failed,
    "response.created": _response,
    "response.done": _response,
    "response.output_item.done": _where,
    "response.content_part.added": _part,
    "response.text.delta": _texts,
    "response.text.done": _texts,
    "response.audio_transcript.delta": _texts,
    "response.audio_transcript.done": _texts,
    "response.audio.delta": _audio,
    "response.audio.done": _where,
    "response.function_call_arguments.done": _call,
}
