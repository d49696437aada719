"""The table of options that only Qwen-Omni Realtime has."""

from typing import Literal

from mmid.frozen import frozen
from mmid.settings.option import per_connection


@frozen
class Qwen:
    """What only Qwen-Omni Realtime has."""

    instructions: str = per_connection(
        "", "What the model is told of its role, before anybody speaks.", max_length=16384
    )
    tools_file: str = per_connection(
        "",
        "JSON file with an array of the functions that the model may call, declared as "
        '{"type": "function", "function": {...}}.',
        max_length=255,
    )
    vad: Literal["server_vad", "semantic_vad"] = per_connection(
        "server_vad",
        "How the cloud hears where a speech ends, in tap2talk and duplex: by the silence after "
        "it, or by what was said (newer models only).",
    )
    vad_threshold: float = per_connection(
        0.5, "How loud a voice must be; lower hears more.", ge=-1, le=1
    )
    vad_silence_ms: int = per_connection(800, "Silence that ends a speech, in ms.", ge=200, le=6000)
    session_life_s: int = per_connection(
        6600,
        "The session is opened anew after so many seconds, between turns. The service ends it "
        "after 7200.",
        ge=5,
        le=7200,
    )
    names: Literal["service", "handbook"] = per_connection(
        "service",
        "The names of the messages sent: those of the service, or those of the vendor's handbook "
        "for a gateway that wants them. Both are understood.",
    )
    session_json: str = per_connection(
        "",
        "Further fields of the session, as a JSON object: temperature, enable_search and others.",
        max_length=16384,
    )
