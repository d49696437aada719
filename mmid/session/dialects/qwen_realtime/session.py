"""The ``session`` that we ask for, from the settings (section 5)."""

import json
from collections.abc import Mapping
from typing import Any

from mmid.json_text import read_json
from mmid.session.dialects.stages import WORK_MODES
from mmid.settings import Settings

# What mmid sets itself: a setting of one's own would contradict another option.
_OURS = {
    *("modalities", "voice", "instructions", "turn_detection", "tools"),
    *("audio", "input_audio_format", "output_audio_format", "input_audio_transcription"),
}

# Of these a program may set the role while mmid runs.
_CHANGEABLE = {"instructions"}
_LONGEST_INSTRUCTIONS = 16384  # as the option allows

# The model reads every declaration and its schema with every request.
MOST_TOOLS = 32


def session_of(settings: Settings, work_mode: str, tools: list[Any]) -> dict[str, Any]:
    """Return what the whole session is to be; it is sent once, before any audio."""
    qwen, dialog = settings.qwen, settings.dialog
    session: dict[str, Any] = {
        "modalities": ["text", "audio"],
        "input_audio_format": "pcm",
        "output_audio_format": "pcm",
        "turn_detection": _turn_detection(settings, work_mode),
    }
    if dialog.text_mode in {"llm", "none"}:
        session["input_audio_transcription"] = None  # left out it would be on
    if dialog.voice:  # the service refuses an empty one
        session["voice"] = dialog.voice
    if qwen.instructions:
        session["instructions"] = qwen.instructions
    if tools:
        session["tools"] = tools
    return session | further_fields(qwen.session_json)


def _turn_detection(settings: Settings, work_mode: str) -> dict[str, Any] | None:
    if WORK_MODES[work_mode].framed:
        return None  # an explicit null: left out it would mean detection with the defaults
    qwen = settings.qwen
    return {
        "type": qwen.vad,
        "threshold": qwen.vad_threshold,
        "silence_duration_ms": qwen.vad_silence_ms,
    }


def further_fields(text: str) -> dict[str, Any]:
    """Return ``qwen.session_json`` as an object; it was judged with the settings."""
    return dict(read_json(text)) if text else {}


def objection_to_session(settings: Settings) -> str:
    """Return what is wrong with ``qwen.session_json``; empty: nothing."""
    try:
        fields = further_fields(settings.qwen.session_json)
    except (ValueError, TypeError):
        return "must be a JSON object"
    if ours := sorted(_OURS & fields.keys()):
        return f"mmid sets {', '.join(ours)} by its own options"
    if settings.qwen.tools_file and fields.get("enable_search"):
        return "the service has no enable_search beside functions (qwen.tools_file); remove one"
    return ""


def objection_to_change(fields: Mapping[str, Any]) -> str:
    """Return why a program may not have these fields of the session changed; empty: it may."""
    if ours := sorted((_OURS - _CHANGEABLE) & fields.keys()):
        return f"mmid sets {', '.join(ours)} by its own options"
    instructions = fields.get("instructions", "")
    if not isinstance(instructions, str) or len(instructions) > _LONGEST_INSTRUCTIONS:
        return f"instructions are a text of at most {_LONGEST_INSTRUCTIONS} characters"
    try:
        json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return "the parameters cannot be written as JSON"
    return ""


def check_tools(tools: list[Any]) -> None:
    """Judge what a tools file declares.

    Raises:
        ValueError: a declaration is none, comes twice, or there are too many; says which.
    """
    if len(tools) > MOST_TOOLS:
        raise ValueError(f"declares {len(tools)} functions; {MOST_TOOLS} are allowed")
    names = [_name_of(tool) for tool in tools]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"declares {name} twice")


def _name_of(tool: Any) -> str:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str) or not name or tool.get("type") != "function":
        raise ValueError('each must be {"type": "function", "function": {"name": ...}}')
    return name
