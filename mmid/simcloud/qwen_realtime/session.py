"""The ``session`` of a connection: its fields, their ranges, and what an update may change.

Fact sheet, section 5. A field that no page has is refused: the real service was seen to
ignore some of them, but a client that passes here shall not depend on it.
"""

from collections.abc import Callable, Mapping
from typing import Any

Session = dict[str, Any]


class InvalidRequest(Exception):
    """The service refuses an event of the client; the session stays open.

    Args:
        message: what the service says.
        code: of the error.
        param: which member of the event it is about.
        harmless: a correct client may be too late with such an event; the journal has it
            as an event only, not as a refusal.
    """

    def __init__(
        self,
        message: str,
        code: str = "invalid_value",
        param: str | None = None,
        *,
        harmless: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.harmless = harmless


def _number(low: float, high: float, kinds: tuple[type, ...] = (int, float)) -> Callable[..., bool]:
    return lambda value: type(value) in kinds and low <= value <= high


def _whole(low: float, high: float) -> Callable[..., bool]:
    return _number(low, high, (int,))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _one_of(*allowed: Any) -> Callable[..., bool]:
    return lambda value: value in allowed


def _or_null(check: Callable[..., bool]) -> Callable[..., bool]:
    return lambda value: value is None or check(value)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


_FORMAT = _one_of("pcm", "pcm16", "pcm24")
_LARGEST_SEED = 2**31 - 1
# Seen to be refused by 3.8, all others were not tried.
_OLDER_VOICES = ("Cherry", "Ethan", "Chelsie")

_DETECTION: Mapping[str, Callable[..., bool]] = {
    "type": _one_of("server_vad", "semantic_vad"),
    "threshold": _number(-1, 1),
    "silence_duration_ms": _whole(200, 6000),
    "prefix_padding_ms": _whole(0, 10_000),
    "idle_timeout_ms": _whole(5000, 30_000),
    "create_response": _flag,
    "interrupt_response": _flag,
}
_RATES = _one_of(8000, 16000, 24000, 48000)


def _detection(value: Any) -> bool:
    return isinstance(value, dict) and all(
        name in _DETECTION and _DETECTION[name](given) for name, given in value.items()
    )


def _voice(value: Any) -> bool:
    return _text(value) and bool(value)


def _audio(value: Any) -> bool:
    """``{"input": {"format": {"type", "sample_rate"}}, "output": {the same, "voice"}}``."""
    if not isinstance(value, dict) or not {*value} <= {"input", "output"}:
        return False
    for name, side in value.items():
        known = {"format", "voice"} if name == "output" else {"format"}
        if not isinstance(side, dict) or not {*side} <= known:
            return False
        if "voice" in side and not _voice(side["voice"]):
            return False
        wanted = side.get("format", {})
        if not isinstance(wanted, dict) or not {*wanted} <= {"type", "sample_rate"}:
            return False
        if wanted.get("type", "pcm") != "pcm" or not _RATES(wanted.get("sample_rate", 16000)):
            return False
    return True


def _tools(value: Any) -> bool:
    """Nested declarations (section 10), each function once."""
    if not isinstance(value, list) or not all(_tool(tool) for tool in value):
        return False
    names = [tool["function"]["name"] for tool in value]
    return len(set(names)) == len(names)


def _tool(value: Any) -> bool:
    function = value.get("function") if isinstance(value, dict) else None
    if not isinstance(function, dict) or value.get("type") != "function":
        return False
    named = _text(function.get("name")) and bool(function["name"])
    parameters = function.get("parameters", {})
    return named and _text(function.get("description", "")) and isinstance(parameters, dict)


MODALITIES = _one_of(["text", "audio"], ["audio", "text"], ["text"])

_FIELDS: Mapping[str, Callable[..., bool]] = {
    "model": _text,
    "modalities": MODALITIES,
    "voice": _voice,
    "input_audio_format": _FORMAT,
    "output_audio_format": _FORMAT,
    "audio": _audio,
    "instructions": _or_null(_text),
    "input_audio_transcription": _or_null(lambda value: isinstance(value, dict)),
    "turn_detection": _or_null(_detection),
    "smooth_output": _or_null(_flag),
    "tools": _tools,
    "tool_choice": _text,
    "enable_search": _flag,
    "search_options": lambda value: isinstance(value, dict),
    "temperature": lambda value: _number(0, 2)(value) and value < 2,
    "top_p": lambda value: _number(0, 1)(value) and value > 0,
    "top_k": _or_null(_whole(0, 1_000_000)),
    "max_tokens": _whole(1, 1_000_000),
    "repetition_penalty": _number(0, 10),
    "presence_penalty": _number(-2, 2),
    "seed": _whole(-1, _LARGEST_SEED),
    "video": lambda value: isinstance(value, dict),
}


def new_session(session_id: str, model: str) -> Session:
    """Return what a session is before any update."""
    return {
        "id": session_id,
        "object": "realtime.session",
        "model": model,
        "modalities": ["text", "audio"],
        "voice": "Cherry" if "qwen3-omni" in model else "Tina",
        "input_audio_format": "pcm",
        "output_audio_format": "pcm",
        "instructions": "",
        "input_audio_transcription": {"model": "qwen3-asr-flash-realtime"},
        "turn_detection": _vad({}),
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.9,
    }


def updated(session: Session, wanted: Any, *, spoken: bool, heard: bool) -> Session:
    """Return a session after a ``session.update``.

    Args:
        session: as it is.
        wanted: the ``session`` of the event.
        spoken: the model has spoken already, so the voice is fixed.
        heard: audio has come already, so the formats are fixed.

    Raises:
        InvalidRequest: a field is unknown, out of range, or cannot be changed any more.
    """
    if not isinstance(wanted, dict):
        raise InvalidRequest("session must be an object", param="session")
    for name, value in wanted.items():
        if name not in _FIELDS or not _FIELDS[name](value):
            raise InvalidRequest(f"Invalid value for session.{name}", param=f"session.{name}")
    after = session | wanted
    if spoken and voice_of(after) != voice_of(session):
        raise InvalidRequest("Cannot update a voice that was heard", "cannot_update_voice")
    if "audio" in wanted and {"input_audio_format", "output_audio_format"} & {*wanted}:
        raise InvalidRequest("audio.* and the flat formats exclude each other", param="audio")
    if heard and after.get("audio") != session.get("audio"):
        raise InvalidRequest("The audio formats are fixed after the first append", param="audio")
    if after["tools"] and after.get("enable_search"):
        raise InvalidRequest("tools and enable_search exclude each other", param="tools")
    if wanted.get("turn_detection") is not None:
        after["turn_detection"] = _vad(wanted["turn_detection"])
    return after


def voice_refusal(session: Session) -> str:
    """Say that the model has not the voice, which ends the session; empty: it has (section 18)."""
    voice = voice_of(session)
    wrong = is_3_8(session["model"]) and voice in _OLDER_VOICES
    return f"Voice '{voice}' is not supported by the model." if wrong else ""


def voice_of(session: Mapping[str, Any]) -> str:
    """Return the voice that speaks: the one of ``audio.output`` wins (section 5)."""
    return str(session.get("audio", {}).get("output", {}).get("voice", session["voice"]))


def is_3_8(model: str) -> bool:
    """Whether it is of the newest family, which takes less than the ones before (section 18)."""
    return model.startswith("qwen3.8-")


def rate_hz(session: Session, side: str) -> int:
    """Return the sample rate of the ``input`` or the ``output``."""
    default = {"input": 16_000, "output": 24_000}[side]
    wanted = session.get("audio", {}).get(side, {}).get("format", {})
    return int(wanted.get("sample_rate", default))


def _vad(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the detection of turns with the service's defaults for what is not said."""
    return {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 800,
        "create_response": True,
        "interrupt_response": True,
        **wanted,
    }
