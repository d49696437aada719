"""What a session may be, and what an update of it may not do."""

from typing import Any

import pytest

from mmid.simcloud.qwen_realtime.session import (
    InvalidRequest,
    new_session,
    rate_hz,
    updated,
    voice_refusal,
)

SESSION = new_session("sess_1", "qwen3-omni-flash-realtime")
TOOL = {"type": "function", "function": {"name": "lamp"}}


def update(wanted: Any, *, spoken: bool = False, heard: bool = False) -> dict[str, Any]:
    return updated(SESSION, wanted, spoken=spoken, heard=heard)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"modalities": ["text"], "voice": "Tina", "instructions": "be brief"},
        {"turn_detection": None},
        {"turn_detection": {"type": "semantic_vad", "threshold": -1.0}},
        {"turn_detection": {"idle_timeout_ms": 30_000, "silence_duration_ms": 200}},
        {"tools": [TOOL]},
        {"audio": {"input": {"format": {"type": "pcm", "sample_rate": 8000}}}},
        {"temperature": 1.9, "top_p": 1, "top_k": None, "max_tokens": 100, "seed": -1},
        {"input_audio_transcription": None, "smooth_output": None},
    ],
)
def test_what_is_documented_is_taken(wanted: dict[str, Any]) -> None:
    after = update(wanted)
    for name in wanted.keys() - {"turn_detection"}:
        assert after[name] == wanted[name]


@pytest.mark.parametrize(
    "wanted",
    [
        {"voice": ""},
        {"modalities": ["audio"]},
        {"turn_detection": {"type": "vad"}},
        {"turn_detection": {"silence_duration_ms": 199}},
        {"turn_detection": {"threshold": 1.1}},
        {"turn_detection": {"threshold": True}},
        {"input_audio_format": "wav"},
        {"audio": {"input": {"format": {"sample_rate": 44_100}}}},
        {"audio": {}, "input_audio_format": "pcm"},
        {"audio": {"output": {"voice": ""}}},
        {"audio": {"output": {"voice": 7}}},
        {"tools": {}},
        {"tools": [{"name": "lamp"}]},
        {"tools": [{"type": "mcp", "function": {"name": "lamp"}}]},
        {"tools": [{"type": "function", "function": {"name": 7}}]},
        {"tools": [{"type": "function", "function": {"name": "lamp", "description": 7}}]},
        {"tools": [{"type": "function", "function": {"name": "lamp", "parameters": "none"}}]},
        {"tools": [TOOL, TOOL]},
        {"tools": [TOOL], "enable_search": True},
        {"temperature": 2.0},
        {"top_p": 0},
        {"audio_sample_rate": 16_000},
        None,
        [],
    ],
)
def test_what_is_not_is_refused(wanted: Any) -> None:
    with pytest.raises(InvalidRequest):
        update(wanted)


def test_a_voice_that_was_heard_and_formats_that_were_used_stay() -> None:
    with pytest.raises(InvalidRequest) as refused:
        update({"voice": "Serena"}, spoken=True)
    assert refused.value.code == "cannot_update_voice"
    assert update({"voice": SESSION["voice"]}, spoken=True)
    with pytest.raises(InvalidRequest):
        update({"audio": {"output": {"voice": "Serena"}}}, spoken=True)
    with pytest.raises(InvalidRequest):
        update({"audio": {"input": {"format": {"sample_rate": 8000}}}}, heard=True)


def test_the_voice_of_the_audio_wins_over_the_flat_one() -> None:
    session = new_session("sess_1", "qwen3.8-omni-flash-realtime")
    wanted = {"voice": "Serena", "audio": {"output": {"voice": "Cherry"}}}
    after = updated(session, wanted, spoken=False, heard=False)
    assert "Cherry" in voice_refusal(after)
    assert not voice_refusal(updated(session, {"voice": "Serena"}, spoken=False, heard=False))


def test_rates_are_the_services_own_unless_the_session_says_otherwise() -> None:
    assert (rate_hz(SESSION, "input"), rate_hz(SESSION, "output")) == (16_000, 24_000)
    after = update({"audio": {"output": {"format": {"type": "pcm", "sample_rate": 48_000}}}})
    assert rate_hz(after, "output") == 48_000
