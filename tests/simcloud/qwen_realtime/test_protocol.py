"""The realtime service, as tables of traces: what goes in, what must come out."""

import base64
from typing import Any

import pytest

from mmid.simcloud.core.scenario import Fault, ScriptedTurn
from mmid.simcloud.qwen_realtime.vocabulary import RealtimeTurn
from tests.simcloud.qwen_realtime.talk import REPLY, SAY, SPEAKING, TOOLS, UNDERSTOOD, Talk, tone

# The head of a JPEG of 640 by 480 pixels: all that the service looks at.
JPEG = bytes.fromhex("ffd8ffc0001108") + bytes((1, 0xE0, 2, 0x80)) + bytes(20)
CALLING = ScriptedTurn(
    transcript="one two three four",
    reply="five six seven eight",
    tool_calls=({"name": "lamp", "id": "call_1", "arguments": {"on": True}},),
)


WRITTEN = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}


def pushed(talk: Talk) -> list[str]:
    """Hold a turn of push-to-talk up to the request for its response."""
    talk.update(turn_detection=None)
    talk.audio(tone(0.2))
    return [*talk.send("input_audio_buffer.commit"), *talk.send("response.create")]


def test_push_to_talk_follows_the_documented_trace() -> None:
    talk = Talk()
    assert talk.update(turn_detection=None, voice="Cherry") == ["session.updated"]
    assert talk.audio(tone(0.2)) == []
    assert talk.send("input_audio_buffer.commit") == ["heard 6400 commit", *UNDERSTOOD]
    assert talk.send("response.create") == ["response.created"]
    assert talk.run() == SPEAKING
    assert talk.send("session.finish") == ["session.finished", "close 1000"]
    assert talk.refusals == []


def test_a_response_says_what_it_cost() -> None:
    talk = Talk()
    pushed(talk)
    talk.run()
    usage = talk.events[-1]["response"]["usage"]
    assert usage["input_tokens_details"]["audio_tokens"] == 13  # a second at least
    assert usage["output_tokens_details"] == {"text_tokens": 5, "audio_tokens": 13}
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_with_detection_of_turns_the_service_hears_by_itself_when_a_speech_ends() -> None:
    talk = Talk()
    talk.update(turn_detection={"type": "server_vad", "silence_duration_ms": 500})
    assert talk.speak(0.5, loudness=0) == []
    began = talk.speak(1.0)
    assert began[0] == "input_audio_buffer.speech_started"
    assert began[1:] == [
        "conversation.item.input_audio_transcription.delta one",
        "conversation.item.input_audio_transcription.delta one two",
        "conversation.item.input_audio_transcription.delta one two three",
    ]
    ended = talk.speak(0.5, loudness=0)
    assert ended == [
        "input_audio_buffer.speech_stopped",
        "heard 64000 silence",
        *UNDERSTOOD,
        "response.created",
    ]
    assert talk.run() == SPEAKING


def test_a_voice_cancels_the_response_that_it_talks_over() -> None:
    talk = Talk(pace=1.0)
    talk.update(turn_detection={"silence_duration_ms": 500})
    talk.speak(0.5)
    talk.speak(0.6, loudness=0)
    talk.run(0.35)
    assert talk.audio(tone(0.1)) == [
        "input_audio_buffer.speech_started",
        "response.audio.done",
        "cut",
        "response.done cancelled",
    ]
    assert talk.run() == []


@pytest.mark.parametrize(
    ("rules", "trace"),
    [
        ({}, ["response.audio.done", "cut", "response.done cancelled"]),
        ({"cancel_done": False}, ["response.audio.done", "cut"]),
        (
            {"stale_audio": True},
            ["stray 640", "response.audio.done", "cut", "response.done cancelled"],
        ),
    ],
)
def test_a_response_is_cancelled(rules: dict[str, Any], trace: list[str]) -> None:
    talk = Talk(pace=1.0, **rules)
    pushed(talk)
    talk.run(0.35)
    assert talk.send("response.cancel") == trace
    assert talk.send("response.cancel") == ["error Conversation has none active response"]
    assert talk.refusals == []  # a client may be too late


def test_a_function_is_called_and_its_output_answered() -> None:
    talk = Talk(turns=(CALLING,))
    talk.update(turn_detection=None, tools=TOOLS)
    talk.audio(tone(0.2))
    talk.send("input_audio_buffer.commit")
    talk.send("response.create")
    calls = talk.run()
    assert calls[-1] == "response.done completed"
    done = [e for e in talk.events if e["type"] == "response.function_call_arguments.done"]
    assert [(e["name"], e["call_id"], e["arguments"]) for e in done] == [
        ("lamp", "call_1", ' {"on": true}')
    ]
    item = {"type": "function_call_output", "call_id": "call_1", "output": "{}"}
    assert talk.send("conversation.item.create", item=item) == ["conversation.item.created"]
    assert talk.send("conversation.item.create", item=item) == ["error This call has been answered"]
    assert talk.send("response.create") == ["response.created"]
    assert talk.run() == SPEAKING


def test_a_function_that_is_not_declared_is_not_called() -> None:
    talk = Talk(turns=(CALLING,))
    assert pushed(talk)[-1] == "response.created"
    assert talk.run() == SPEAKING


def test_a_text_is_answered_and_an_instruction_spoken_to_the_letter() -> None:
    talk = Talk()
    talk.update(turn_detection=None)
    talk.send("conversation.item.create", item=WRITTEN)
    talk.send("response.create")
    assert talk.run() == SPEAKING
    talk.send("response.create", response={"instructions": "good morning"})
    assert "response.audio_transcript.done good morning" in talk.run()
    assert talk.refusals == []


def test_a_response_without_a_voice_is_text_only() -> None:
    talk = Talk()
    talk.update(modalities=["text"])
    trace = [word for word in [*pushed(talk), *talk.run()] if word.startswith("response.text")]
    assert trace[-1] == "response.text.done five six seven eight"
    assert not any(isinstance(e.get("delta"), bytes) for e in talk.events)


def test_the_model_speaks_unprompted_after_a_silence() -> None:
    talk = Talk()
    talk.update(turn_detection={"type": "server_vad", "idle_timeout_ms": 5000})
    assert talk.run(6.0)[:2] == ["response.created", SPEAKING[0]]


@pytest.mark.parametrize(
    ("transcription", "kind"),
    [("failed", "failed"), ("none", ""), ("completed", "completed"), ("late", "completed")],
)
def test_the_transcript_comes_as_the_scenario_has_it(transcription: Any, kind: str) -> None:
    script = ScriptedTurn(tables=(RealtimeTurn(transcription=transcription),))
    talk = Talk(turns=(script,))
    before = pushed(talk)
    after = talk.run()
    told = [word.split()[0].rpartition(".")[2] for word in before if "transcription" in word]
    late = [word.split()[0].rpartition(".")[2] for word in after if "transcription" in word]
    assert (late if transcription == "late" else told) == ([kind] if kind else [])


def test_odd_deltas_are_the_whole_reply_together() -> None:
    talk = Talk(odd_deltas=True)
    pushed(talk)
    sizes = [int(word.split()[1]) for word in talk.run() if word.startswith("audio")]
    assert sum(sizes) == len(REPLY)
    assert any(size % 2 for size in sizes)


@pytest.mark.parametrize(
    ("kind", "members", "reason"),
    [
        ("input_audio_buffer.commit", {}, "buffer too small"),
        ("response.create", {}, "no new input"),
        ("input_audio_buffer.append", {"audio": "not base64!"}, "audio must be base64"),
        ("input_audio_buffer.append", {}, "audio must be base64"),
        ("input_image_buffer.append", {"image": ""}, "append image before append audio"),
        ("conversation.item.create", {"item": {"type": "song"}}, "item.type must be"),
        (
            "conversation.item.create",
            {"item": {"type": "function_call_output", "call_id": "x", "output": "{}"}},
            "a call_id of a call",
        ),
        (
            "conversation.item.create",
            {"item": {"type": "function_call_output", "call_id": ["x"], "output": "{}"}},
            "a call_id of a call",
        ),
        ("conversation.item.create", {"item": {"type": "message", "id": 7}}, "item.id"),
        (
            "conversation.item.create",
            {"item": WRITTEN | {"role": "assistant"}},
            "role must be user",
        ),
        ("conversation.item.create", {"item": WRITTEN | {"content": "hi"}}, "input_text parts"),
        (
            "conversation.item.create",
            {"item": WRITTEN | {"content": [{"type": "text", "text": "hi"}]}},
            "input_text parts",
        ),
        ("response.create", {"response": []}, "instructions and modalities"),
        ("response.create", {"response": {"voice": "Tina"}}, "instructions and modalities"),
        ("response.create", {"response": {"instructions": 7}}, "instructions must be a text"),
        ("response.create", {"response": {"modalities": ["audio"]}}, "value for modalities"),
        ("response.create", {"event_id": 7}, "event_id must be a text"),
        ("conversation.item.truncate", {"item_id": "item_1"}, "Invalid event type"),
        ("session.create2", {}, "Invalid event type"),
    ],
)
def test_what_is_wrong_is_refused_and_the_session_stays_open(
    kind: str, members: dict[str, Any], reason: str
) -> None:
    talk = Talk()
    talk.update(turn_detection=None)
    (word,) = talk.send(kind, **members)
    assert word.startswith("error ")
    assert reason in word
    assert reason in talk.refusals[0]
    assert talk.update(instructions="still here") == ["session.updated"]


def test_a_picture_belongs_to_a_speech_and_is_a_small_jpeg() -> None:
    talk = Talk()
    talk.update(turn_detection=None)
    talk.audio(tone(0.1))
    assert talk.send("input_image_buffer.append", image=base64.b64encode(JPEG).decode()) == []
    wide = JPEG.replace(bytes((1, 0xE0, 2, 0x80)), bytes((4, 0x38, 7, 0x90)))  # 1936 by 1080
    for bad, reason in (
        (b"PNG" * 10, "Invalid image"),
        (JPEG + bytes(200_000), "larger than"),
        (wide, "over 1080p"),
    ):
        text = base64.b64encode(bad).decode()
        (word,) = talk.send("input_image_buffer.append", image=text)
        assert reason in word


def test_the_newest_family_takes_less_than_the_ones_before() -> None:
    talk = Talk(model="qwen3.8-omni-flash-realtime")
    talk.update(turn_detection=None, voice="Serena")
    (word,) = talk.send("conversation.item.create", item=WRITTEN)
    assert word.startswith("error item.type must be")
    assert talk.update(voice="Cherry")[1:] == [
        "close 1007 Voice 'Cherry' is not supported by the model."
    ]
    assert len(talk.refusals) == 2


def test_commit_is_refused_while_the_service_detects_turns() -> None:
    talk = Talk()
    talk.update(turn_detection={})
    talk.audio(tone(0.2))
    assert talk.send("input_audio_buffer.commit") == ["error Internal service error: null"]


def test_a_binary_frame_closes() -> None:
    talk = Talk()
    closing = talk._read(talk.core.binary(b"\0\0", talk.now))
    assert closing == [
        "error a binary frame of 2 bytes",
        "close 1003 binary frames are not supported",
    ]


@pytest.mark.parametrize(
    ("rules", "after_s", "end"),
    [
        ({"idle_s": 20.0}, 20, "close 1007 no response was generated for 20 seconds"),
        ({"life_s": 60.0}, 60, "close 1011 the session has reached its maximum duration"),
    ],
)
def test_a_session_ends_by_itself(rules: dict[str, Any], after_s: float, end: str) -> None:
    talk = Talk(**rules)
    began = talk.now
    assert talk.run(100.0) == [end]
    assert talk.now - began == after_s
    assert talk.update() == []


@pytest.mark.parametrize(
    ("finish", "trace"),
    [("error", ["error Invalid event type: session.finish"]), ("silent", [])],
)
def test_some_services_do_not_answer_a_finish(finish: Any, trace: list[str]) -> None:
    assert Talk(finish=finish).send("session.finish") == trace


def test_a_client_of_the_handbook_is_answered_in_its_words() -> None:
    talk = Talk(turns=(CALLING, SAY))
    session = {"turn_detection": None, "tools": TOOLS}
    talk.frame({"id": "1", "type": "session.create", "data": session})
    text = base64.b64encode(tone(0.2)).decode()
    talk.frame({"id": "2", "type": "input_audio_buffer.append", "data": {"audio": text}})
    talk.frame({"id": "3", "type": "input_audio_buffer.commit", "data": {}})
    talk.run()
    (call,) = [e["data"] for e in talk.events if e["type"] == "response.function_call"]
    output = {"tool_call_id": call["tool_call_id"], "output": "{}"}
    talk.frame({"id": "4", "type": "input_tool_output", "data": output})
    assert "audio 9600" in talk.run()
    kinds = dict.fromkeys(event["type"] for event in talk.events)
    assert list(kinds) == [
        "session.created",
        "session.updated",
        "response.function_call",
        "response.completed",
        "response.output_text.delta",
    ]
    assert talk.refusals == []


@pytest.mark.parametrize(
    "do",
    [
        "error-event:server_error:COMMON_ERROR:oops",
        "bad-base64",
        "odd-base64",
        "dead-audio",
        "wrong-types",
        "unknown-event",
        "huge-text",
        "text-flood:3",
        "error:account",
        "error:internal",
    ],
)
def test_a_fault_strikes_where_the_scenario_wants_it(do: str) -> None:
    talk = Talk(Fault("response.created", do))
    trace = pushed(talk)
    struck = trace[trace.index("response.created") + 1 :]
    assert len(struck) >= (0 if "flood" in do else 1)
