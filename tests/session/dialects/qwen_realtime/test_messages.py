"""Three vocabularies become one event, and nonsense becomes a clear error."""

import json
from base64 import b64encode
from typing import Any

import pytest

from mmid.errors import MalformedMessage
from mmid.secrets import Secret
from mmid.session.dialects.qwen_realtime.messages import ServerEvent, parse

AUDIO = b64encode(b"\x01\x02\x03").decode()
TRANSCRIPTION = "conversation.item.input_audio_transcription"


def read(**event: Any) -> ServerEvent:
    return parse(json.dumps(event))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {"type": "response.audio.delta", "response_id": "r", "item_id": "i", "delta": AUDIO},
            ServerEvent("response.audio.delta", "r", "i", audio=b"\x01\x02\x03"),
        ),
        (
            {"type": "response.output_audio.delta", "id": "1", "data": {"audio": AUDIO}},
            ServerEvent("response.audio.delta", audio=b"\x01\x02\x03"),
        ),
        (
            {"type": "response.output_text.delta", "data": {"text": "hi"}},
            ServerEvent("response.text.delta", text="hi"),
        ),
        (
            {"type": "response.output_audio_transcript.done", "transcript": "hello"},
            ServerEvent("response.audio_transcript.done", text="hello"),
        ),
        (
            {"type": f"{TRANSCRIPTION}.delta", "item_id": "i", "text": "what is", "stash": " the"},
            ServerEvent(f"{TRANSCRIPTION}.delta", item_id="i", preview="what is the"),
        ),
        (
            {"type": f"{TRANSCRIPTION}.delta", "item_id": "i", "delta": "what"},
            ServerEvent(f"{TRANSCRIPTION}.delta", item_id="i", text="what"),
        ),
        (
            {
                "type": "response.function_call_arguments.done",
                "call_id": "c",
                "name": "lamp",
                "arguments": ' {"on": true}',
            },
            ServerEvent(
                "response.function_call_arguments.done",
                call_id="c",
                name="lamp",
                arguments='{"on": true}',
            ),
        ),
        (
            {
                "id": "event",
                "type": "response.function_call",
                "data": {"id": "c", "name": "lamp", "arguments": {"on": True}},
            },
            ServerEvent(
                "response.function_call_arguments.done",
                call_id="c",
                name="lamp",
                arguments='{"on":true}',
            ),
        ),
        (
            {
                "type": "response.done",
                "response": {"id": "r", "status": "completed", "usage": {"total_tokens": 7}},
            },
            ServerEvent("response.done", "r", status="completed", usage={"total_tokens": 7}),
        ),
        ({"type": "response.completed"}, ServerEvent("response.done", usage={})),
        (
            {"type": "session.created", "session": {"id": "sess_1", "model": "m"}},
            ServerEvent("session.created", session_id="sess_1"),
        ),
        (
            {"type": "error", "error": {"type": "t", "code": "c", "message": "m", "param": None}},
            ServerEvent("error", error_kind="t", error_code="c", message="m"),
        ),
        (
            {"type": "error", "data": {"code": "c", "message": "m"}},
            ServerEvent("error", error_code="c", message="m"),
        ),
        ({"type": "error"}, ServerEvent("error")),
        ({"type": "response.dreamed", "text": 7}, ServerEvent("response.dreamed")),
    ],
)
def test_every_vocabulary_says_the_same(event: dict[str, Any], expected: ServerEvent) -> None:
    assert read(**event) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "null",
        "{}",
        '{"type": 7}',
        '{"type": ""}',
        "[" * 100_000,
        '{"type": "response.audio.delta"}',
        '{"type": "response.audio.delta", "delta": {}}',
        '{"type": "response.audio.delta", "delta": "AAAAA"}',
        '{"type": "response.audio.delta", "delta": "not base64!"}',
        '{"type": "response.audio.delta", "delta": "AAAA", "response_id": 7}',
        '{"type": "response.text.delta", "delta": []}',
        '{"type": "response.created", "response": "x"}',
        '{"type": "response.done", "response": {"usage": []}}',
        '{"type": "error", "error": "x"}',
        '{"type": "response.function_call_arguments.done", "call_id": "c", "arguments": 7}',
        json.dumps({"type": "response.text.delta", "delta": "x" * 65537}),
        json.dumps({"type": "response.text.delta", "item_id": "i" * 129}),
    ],
)
def test_what_is_no_event_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage, match=r"^the cloud (sent|called)"):
        parse(text)


def test_a_lone_half_of_a_character_goes_nowhere() -> None:
    event = parse(r'{"type": "error", "error": {"message": "\ud83d oops"}}')
    assert event.message == "� oops"


def test_counts_that_are_none_are_left_out() -> None:
    usage = {"input_tokens": True, "output_tokens": -1, "total_tokens": 3}
    assert read(type="response.done", response={"usage": usage}).usage == {"total_tokens": 3}


def test_a_count_that_the_bus_cannot_carry_is_none() -> None:
    usage = {"input_tokens": 1 << 64, "output_tokens": 2}
    assert read(type="response.done", response={"usage": usage}).usage == {"output_tokens": 2}


def test_a_secret_that_is_cut_in_two_is_masked_all_the_same() -> None:
    key = Secret("swordfish-0815")
    error = {"message": "so " * 340 + key.reveal()}
    event = parse(json.dumps({"type": "error", "error": error}))
    assert event.message.endswith("so ***")
