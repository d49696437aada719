"""The realtime dialect, one input after the other: what the order of events may bring."""

import contextlib
import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.errors import Busy, CallerError, InvalidArgument, Unsupported
from mmid.events import (
    AsrComplete,
    AsrEnd,
    AsrStart,
    Command,
    LlmComplete,
    SpeechPrepare,
    SpeechReady,
    TtsStart,
)
from mmid.session.dialects.dialect import Function
from mmid.session.dialects.qwen_realtime.realtime import QwenRealtime
from mmid.session.dialects.qwen_realtime.session import session_of
from mmid.session.dialects.stages import TurnStage
from mmid.session.effects import Close, Effect, Emit, Next, Note, Play, Send, Spent, ToolCall
from mmid.settings import Dialog, Settings
from tests.session.dialects.qwen_realtime.pair import MODEL, MODES, realtime
from tests.simcloud.qwen_realtime.test_protocol import JPEG

_HEARD = "conversation.item.input_audio_transcription"
SPEECH = b"\1\0" * 3200  # 0.2 s
SOUND = b64encode(b"\1\0\2\0").decode()

# A session with a turn, a call and an interruption, as an honest service tells it.
SESSION: list[dict[str, Any]] = [
    {"type": "session.created", "session": {"id": "sess_1"}},
    {"type": "session.updated", "session": {"id": "sess_1"}},
    {"type": "input_audio_buffer.speech_started", "item_id": "item_1"},
    {"type": "input_audio_buffer.speech_stopped", "item_id": "item_1"},
    {"type": "input_audio_buffer.committed", "item_id": "item_1"},
    {"type": f"{_HEARD}.delta", "item_id": "item_1", "text": "what ", "stash": "is"},
    {"type": f"{_HEARD}.completed", "item_id": "item_1", "transcript": "what is it"},
    {"type": "response.created", "response": {"id": "resp_1"}},
    {"type": "response.function_call_arguments.done", "response_id": "resp_1",
     "call_id": "call_1", "name": "lamp", "arguments": '{"on":true}'},
    {"type": "response.done", "response": {"id": "resp_1", "usage": {"input_tokens": 7}}},
    {"type": "response.created", "response": {"id": "resp_2"}},
    {"type": "response.content_part.added", "response_id": "resp_2", "part": {"type": "audio"}},
    {"type": "response.audio_transcript.delta", "response_id": "resp_2", "delta": "it is"},
    {"type": "response.audio.delta", "response_id": "resp_2", "delta": SOUND},
    {"type": "response.audio_transcript.done", "response_id": "resp_2", "transcript": "it is on"},
    {"type": "response.audio.done", "response_id": "resp_2"},
    {"type": "response.done", "response": {"id": "resp_2", "status": "completed"}},
    {"type": "error", "error": {"type": "invalid_request_error", "message": "no such thing"}},
]  # fmt: skip
STRANGE: list[Any] = [
    None, True, -1, 10**400, "", "x" * 129, "x" * 100_000, "\ud83d", "a\0b", "\x1b[31m", [], {},
    [[]], {"type": 7}, "AAA", "=", json.loads("[" * 500 + "]" * 500),
]  # fmt: skip


def tell(dialect: QwenRealtime, kind: str, now: float = 1.0, **carried: Any) -> list[Effect]:
    return dialect.receive_text(json.dumps({"type": kind, **carried}), now)


def ready(mode: str) -> QwenRealtime:
    """Return a dialect whose session is as it wants it."""
    dialect = realtime(mode)
    dialect.begin(0.0)
    for event in SESSION[:2]:
        dialect.receive_text(json.dumps(event), 0.0)
    assert dialect.reached_listening
    return dialect


def asked(mode: str = "push2talk") -> QwenRealtime:
    """Return a dialect that has put a question in writing."""
    dialect = ready(mode)
    dialect.ask("what", 1.0)
    return dialect


def told(effects: Sequence[Effect]) -> list[Any]:
    """Return the events; of a call that of a board without such a tool."""
    events = [effect.told if isinstance(effect, ToolCall) else effect for effect in effects]
    return [one.event if isinstance(one, Emit) else one for one in events]


def sent(effects: Sequence[Effect]) -> list[str]:
    return [json.loads(effect.text)["type"] for effect in effects if isinstance(effect, Send)]


def test_it_is_in_a_turn_from_a_question_to_the_end_of_the_response() -> None:
    dialect = ready("push2talk")
    in_turn = [dialect.in_turn]
    dialect.ask("what is it", 1.0)
    in_turn.append(dialect.in_turn)
    tell(dialect, "response.created", response={"id": "resp_1"})
    in_turn.append(dialect.in_turn)
    tell(dialect, "response.done", response={"id": "resp_1", "status": "completed"})
    in_turn.append(dialect.in_turn)
    assert in_turn == [False, True, True, False]


def test_a_response_that_nobody_made_is_asked_for_once_more_and_no_more() -> None:
    dialect = asked()
    assert dialect.deadline == 4.0
    assert sent(dialect.tick(4.0)) == ["response.create"]
    assert dialect.deadline > 10.0


def test_what_is_to_be_spoken_is_asked_for_again_with_its_text() -> None:
    dialect = ready("push2talk")
    (first,) = [e.text for e in dialect.say("hello", 1.0) if isinstance(e, Send)]
    assert "hello" in first
    assert [e.text for e in dialect.tick(4.0) if isinstance(e, Send)] == [first]


def test_a_frame_of_video_after_a_commit_has_sound_before_it_again() -> None:
    dialect = ready("push2talk")
    dialect.ask("what is it", 1.0, images=[JPEG])
    kinds = [type(effect).__name__ for effect in dialect.update_info(2.0, images=[JPEG])]
    assert kinds == ["SendAudio", "Send"]
    assert len(dialect.update_info(3.5, images=[JPEG])) == 1, "the buffer has sound by now"


@pytest.mark.parametrize("mode", ["push2talk", "tap2talk"])
def test_until_somebody_talks_the_service_has_the_newest_frame_of_a_video_only(mode: str) -> None:
    dialect = ready(mode)
    assert sent(dialect.update_info(1.0, images=[JPEG])) == ["input_image_buffer.append"]
    for now in (2.0, 3.0):
        replaced = dialect.update_info(now, images=[JPEG])
        assert sent(replaced) == ["input_audio_buffer.clear", "input_image_buffer.append"]
    dialect.ask("never mind", 3.1)
    assert spent(dialect.interrupt(3.2)) == [], "it waits for the next speech"
    dialect.start_speech(4.0)
    dialect.record(SPEECH, 4.0)
    assert sent(dialect.update_info(4.0, images=[JPEG])) == ["input_image_buffer.append"]
    tell(dialect, "input_audio_buffer.speech_started")  # where the service hears its end
    dialect.stop_speech(5.0)
    tell(dialect, "input_audio_buffer.committed")
    (cost,) = spent(dialect.closed(None, "", 5.0))
    assert cost.images == 2, "the newest, and the one of the speech"


def test_a_slip_takes_the_frame_that_waited_with_it() -> None:
    dialect = ready("push2talk")
    dialect.update_info(1.0, images=[JPEG])
    dialect.start_speech(2.0)
    assert sent(dialect.stop_speech(2.01)) == ["input_audio_buffer.clear"]
    assert spent(dialect.say("hello", 3.0) + dialect.interrupt(4.0)) == []


@pytest.mark.parametrize(
    ("width", "height", "told"),
    [(1920, 1080, ""), (1080, 1920, ""), (1921, 1080, "1921x1080"), (1100, 1200, "1100x1200")],
)
def test_a_picture_of_more_than_1080p_is_refused_by_its_size(
    width: int, height: int, told: str
) -> None:
    picture = JPEG[:7] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + JPEG[11:]
    allowed = pytest.raises(InvalidArgument, match=told) if told else contextlib.nullcontext()
    with allowed:
        ready("push2talk").ask("what is it", 1.0, images=[picture])


# --- what it costs ------------------------------------------------------------------------


def spent(effects: Sequence[Effect]) -> list[Spent]:
    return [effect for effect in effects if isinstance(effect, Spent)]


USAGE = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}


def spoken() -> QwenRealtime:
    """Return a dialect in which a second of speech is answered, and a little was heard of it."""
    dialect = ready("push2talk")
    dialect.start_speech(1.0)
    dialect.record(SPEECH * 5, 1.0)
    dialect.stop_speech(2.0)
    tell(dialect, "response.created", response={"id": "r"})
    tell(dialect, "response.audio.delta", response_id="r", delta=SOUND)
    return dialect


def test_an_interrupted_turn_is_counted_and_the_bill_of_the_service_when_it_comes() -> None:
    dialect = spoken()
    ours = Spent(input_audio_s=1.0, output_audio_s=4 / 48000, estimated_input_tokens=13)
    assert spent(dialect.start_speech(3.0)) == [ours]
    dialect.record(SPEECH, 3.0)
    ended = tell(dialect, "response.done", response={"id": "r", "usage": USAGE})
    assert spent(ended) == [Spent(**USAGE)]


def test_a_turn_whose_reply_is_cut_when_it_has_arrived_is_counted_once() -> None:
    dialect = spoken()
    (whole,) = spent(tell(dialect, "response.done", response={"id": "r", "usage": USAGE}))
    assert (whole.input_audio_s, whole.total_tokens) == (1.0, 25)
    assert dialect.machine.stage is TurnStage.PLAYING
    assert spent(dialect.interrupt(3.0)) == []


def test_a_speech_that_is_cancelled_costs_nothing() -> None:
    dialect = ready("push2talk")
    dialect.start_speech(1.0)
    dialect.record(SPEECH, 1.0)
    effects = [*dialect.cancel_speech(2.0), *dialect.say("hello", 3.0), *dialect.interrupt(4.0)]
    assert spent(effects) == []


@pytest.mark.parametrize(
    "end",
    [
        lambda dialect: dialect.tick(60.0),
        lambda dialect: tell(dialect, "error", error={"type": "invalid_request_error"}),
        lambda dialect: dialect.closed(None, "", 2.0),
    ],
    ids=["nothing came", "an error came", "the connection broke"],
)
def test_a_turn_without_an_answer_is_counted(end: Callable[[QwenRealtime], list[Effect]]) -> None:
    dialect = ready("push2talk")
    dialect.ask("what is it", 1.0, images=[JPEG])
    (cost,) = spent(end(dialect))
    assert (cost.images, cost.input_audio_s, cost.estimated_input_tokens) == (1, 0.1, 313)


# --- what people want ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda dialect: dialect.ask("what", 2.0),
        lambda dialect: dialect.say("hello", 2.0),
        lambda dialect: dialect.start_speech(2.0),
    ],
    ids=["Ask", "Say", "StartSpeech"],
)
def test_a_speech_that_nothing_was_heard_of_yet_is_forgotten_for_what_comes_after_it(
    act: Callable[[QwenRealtime], list[Effect]],
) -> None:
    dialect = ready("tap2talk")
    assert sent(dialect.start_speech(1.0)) == [], "nothing is to be forgotten before it"
    dialect.record(SPEECH, 1.0)
    dialect.stop_speech(1.5)
    assert sent(act(dialect))[:1] == ["input_audio_buffer.clear"]


def session_told(effects: Sequence[Effect]) -> list[Any]:
    events = [json.loads(effect.text) for effect in effects if isinstance(effect, Send)]
    return [event["session"] for event in events if event["type"] == "session.update"]


def test_what_a_program_changes_of_the_session_is_sent_between_turns() -> None:
    dialect = ready("push2talk")
    at_rest = dialect.update_info(1.0, biz_params={"temperature": 0.5})
    assert session_told(at_rest) == [{"temperature": 0.5}]
    dialect.ask("what", 1.0)
    assert dialect.update_info(2.0, biz_params={"instructions": "Be brief.", "seed": 1}) == []
    assert dialect.update_info(2.0, biz_params={"seed": 2}) == []
    for event in SESSION[10:17]:
        assert not session_told(dialect.receive_text(json.dumps(event), 3.0))
    dialect.playback_finished(4.0)
    assert dialect.deadline <= 4.0
    assert session_told(dialect.tick(4.0)) == [{"instructions": "Be brief.", "seed": 2}]
    assert not session_told(dialect.tick(4.0))


LAMP = Function("lamp", "Turns the lamp.", {"type": "object"})
FILED = {"type": "function", "function": {"name": "lamp"}}


def test_functions_are_declared_between_turns_and_once() -> None:
    dialect = ready("push2talk")
    (session,) = session_told(dialect.offer_functions([LAMP], 1.0))
    (declared,) = session["tools"]
    assert declared["function"] == {
        "name": "lamp", "description": "Turns the lamp.", "parameters": {"type": "object"},
    }  # fmt: skip
    assert dialect.offer_functions([LAMP], 1.0) == []
    dialect.ask("what", 1.0)
    assert dialect.offer_functions([], 1.0) == []
    dialect.interrupt(2.0)
    assert session_told(dialect.tick(2.0)) == [{"tools": []}]


def test_functions_of_programs_stand_beside_those_of_the_settings_and_before_their_own() -> None:
    fan = {"type": "function", "function": {"name": "fan"}}
    dialect = realtime("push2talk", tools=[FILED, fan])
    dialect.begin(0.0)
    for event in SESSION[:2]:
        dialect.receive_text(json.dumps(event), 0.0)
    assert dialect.offer_functions([], 1.0) == []
    (session,) = session_told(dialect.offer_functions([LAMP], 1.0))
    assert [one["function"].get("description") for one in session["tools"]] == [
        None,
        "Turns the lamp.",
    ]
    assert session_told(dialect.offer_functions([], 1.0)) == [{"tools": [FILED, fan]}]


def test_a_function_of_a_domain_is_not_offered_to_a_cloud_without_any() -> None:
    (note,) = ready("push2talk").offer_functions([Function("light/on", "", {})], 1.0)
    assert isinstance(note, Note)


def test_a_function_that_there_is_no_place_for_is_told() -> None:
    own = [{"type": "function", "function": {"name": f"own{number}"}} for number in range(32)]
    dialect = realtime("push2talk", tools=own)
    dialect.begin(0.0)
    for event in SESSION[:2]:
        dialect.receive_text(json.dumps(event), 0.0)
    (note,) = dialect.offer_functions([LAMP], 1.0)
    assert isinstance(note, Note)
    assert "lamp" in note.text


def test_half_a_character_in_what_a_program_says_of_itself_can_be_sent() -> None:
    dialect = ready("push2talk")
    schema = {"type": "object", "description": "half \ud83d"}
    effects = dialect.offer_functions([Function("lamp", "", schema)], 1.0)
    effects += dialect.update_info(1.0, biz_params={"instructions": "half \ud83d"})
    frames = [effect.text.encode() for effect in effects if isinstance(effect, Send)]
    assert len(frames) == 2


@pytest.mark.parametrize("answers", [SESSION[:1], SESSION[1:2], SESSION[:2]])
def test_a_handbook_gateway_may_answer_the_opening_in_either_word(
    answers: list[dict[str, Any]],
) -> None:
    dialect = realtime("push2talk", names="handbook")
    dialect.begin(0.0)
    events: list[Any] = []
    for answer in answers:
        events += told(dialect.receive_text(json.dumps(answer), 1.0))
    assert [events.count(one) for one in (SpeechReady(), SpeechPrepare())] == [1, 1]


@pytest.mark.parametrize(
    ("told", "error", "sentence"),
    [
        ({"client_status": {"phone": {}}}, Unsupported, "what the board is doing"),
        ({"biz_params": {"voice": "Tina", "tools": []}}, InvalidArgument, "mmid sets tools, voice"),
        ({"biz_params": {"input_audio_transcription": {}}}, InvalidArgument, "transcription"),
        ({"biz_params": {"instructions": "x" * 16385}}, InvalidArgument, "16384 characters"),
        ({"biz_params": {"instructions": None}}, InvalidArgument, "a text"),
        ({"biz_params": {"top_p": float("nan")}}, InvalidArgument, "JSON"),
        ({}, InvalidArgument, "nothing to tell"),
    ],
)
def test_what_this_cloud_has_no_place_for_is_refused_with_a_sentence(
    told: dict[str, Any], error: type[CallerError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        ready("push2talk").update_info(1.0, **told)


def test_in_duplex_a_voice_whose_end_never_comes_is_forgotten() -> None:
    dialect = ready("duplex")
    tell(dialect, "input_audio_buffer.speech_started", item_id="i")
    tell(dialect, f"{_HEARD}.delta", 40.0, item_id="i", text="and")
    with pytest.raises(Busy):
        dialect.ask("what", 99.0)
    assert dialect.deadline == 100.0
    assert told(dialect.tick(100.0)) == [AsrComplete("and"), AsrEnd()]
    dialect.ask("what", 101.0)


def test_a_question_about_a_picture_is_no_speech() -> None:
    dialect = ready("push2talk")
    dialect.ask("", 1.0, images=[JPEG])
    assert tell(dialect, "input_audio_buffer.committed", item_id="i") == []
    assert tell(dialect, f"{_HEARD}.completed", item_id="i", transcript="") == []


def test_nothing_is_told_of_what_a_cancelled_speech_said() -> None:
    dialect = ready("tap2talk")
    dialect.start_speech(1.0)
    tell(dialect, "input_audio_buffer.speech_started", item_id="i")
    tell(dialect, f"{_HEARD}.delta", item_id="i", text="never", stash=" mind")
    assert AsrComplete("never mind") not in told(dialect.cancel_speech(2.0))
    assert tell(dialect, f"{_HEARD}.completed", item_id="i", transcript="never mind") == []


def test_a_response_that_is_named_by_its_first_part_is_heard() -> None:
    dialect = asked()
    tell(dialect, "response.created", response={})
    effects = tell(dialect, "response.audio.delta", response_id="resp_7", delta=SOUND)
    assert Play(b"\1\0\2\0") in effects
    assert tell(dialect, "response.audio.delta", response_id="resp_8", delta=SOUND) == []


def test_a_call_that_is_repeated_is_told_once() -> None:
    dialect = asked()
    tell(dialect, "response.created", response={"id": "r"})
    call: dict[str, Any] = {"response_id": "r", "call_id": "c", "name": "lamp", "arguments": "{}"}
    calls = [tell(dialect, "response.function_call_arguments.done", **call) for _ in range(2)]
    assert [len([e for e in told(effects) if isinstance(e, Command)]) for effects in calls] == [
        1,
        0,
    ]


def test_a_program_that_answers_before_the_response_is_over_is_heard() -> None:
    dialect = asked()
    for event in SESSION[7:9]:
        dialect.receive_text(json.dumps(event), 2.0)
    assert sent(dialect.tool_result("call_1", "{}", 2.0)) == ["conversation.item.create"]
    assert sent(dialect.receive_text(json.dumps(SESSION[9]), 2.1)) == ["response.create"]
    replied = [e for said in SESSION[10:12] for e in dialect.receive_text(json.dumps(said), 2.2)]
    assert TtsStart() in told(replied)


def test_a_voice_that_is_heard_when_a_response_begins_keeps_its_end() -> None:
    dialect = ready("duplex")
    assert AsrStart() in told(tell(dialect, "input_audio_buffer.speech_started", item_id="i"))
    begun = tell(dialect, "response.created", response={"id": "r"})
    begun += tell(dialect, "response.audio.delta", response_id="r", delta=SOUND)
    events = told(begun)
    assert events.index(AsrEnd()) < events.index(TtsStart())


@pytest.mark.parametrize("when", ["before", "after"])
def test_turn_detected_is_nothing_where_we_say_when_a_speech_ends(when: str) -> None:
    dialect = realtime("push2talk") if when == "before" else ready("push2talk")
    assert tell(dialect, "turn_detected") == []


@pytest.mark.parametrize(
    ("code", "reason", "following"),
    [
        (1007, "the voice is not supported", Next.HOURS),
        (1011, "the model is overloaded, voice synthesis failed", Next.RETRY),
        (None, "", Next.RETRY),
    ],
)
def test_a_reason_counts_with_the_code_that_has_one(
    code: int | None, reason: str, following: Next
) -> None:
    *_, last = ready("push2talk").closed(code, reason, 1.0)
    assert isinstance(last, Close)
    assert last.next is following


@pytest.mark.parametrize(
    "key", ["audio", "image", "delta"], ids=["speech up", "a picture", "a reply"]
)
def test_no_base64_is_logged_however_short_or_however_it_is_written(key: str) -> None:
    for secret in ("AAEC", "AA\\/+" * 40):
        text = f'{{"type":"response.audio.delta","{key}": "{secret}"}}'
        traced = realtime("push2talk").trace(text)
        assert secret not in traced
        assert json.loads(traced)[key].endswith("characters>")


def test_what_was_said_is_logged() -> None:
    text = '{"type":"response.audio_transcript.delta","delta":"hello"}'
    assert realtime("push2talk").trace(text) == text


@pytest.mark.parametrize(("mode", "recognised", "read"), [
    ("both", True, True), ("asr", True, False), ("llm", False, True), ("none", False, False),
])  # fmt: skip
def test_the_texts_that_nobody_wants_are_not_told(mode: Any, recognised: bool, read: bool) -> None:
    settings = Settings(dialog=Dialog(text_mode=mode))
    session = session_of(settings, "push2talk", [])
    assert ("input_audio_transcription" in session) is not recognised
    dialect = QwenRealtime(settings, MODEL, work_mode="push2talk", session=session, ready_by=15.0)
    dialect.begin(0.0)
    for event in SESSION[:2]:
        dialect.receive_text(json.dumps(event), 0.0)
    dialect.ask("what", 0.0)
    effects = [e for event in SESSION[10:] for e in dialect.receive_text(json.dumps(event), 1.0)]
    assert TtsStart() in told(effects)
    assert (LlmComplete("it is on") in told(effects)) is read


# --- bent ---------------------------------------------------------------------------------


def bent(value: Any, random: Random) -> Any:
    """Return JSON of which one member, at any depth, is strange."""
    if value and isinstance(value, dict) and random.random() < 0.95:
        key = random.choice(list(value))
        return {**value, key: bent(value[key], random)}
    return random.choice(STRANGE)


def check(effect: Effect) -> None:
    """Fail if an effect could not be carried out."""
    match effect:
        case Emit(event):
            texts = [getattr(event, key) for key in event.__dataclass_fields__]
            assert all(text.encode() is not None for text in texts)
            if isinstance(event, Command):
                json.loads(event.params_json, parse_constant=pytest.fail)
        case Send(text):
            assert json.loads(text.encode())["type"]
        case Note(text):
            assert len(text.encode()) < 4096
        case Play(data):
            assert len(data) % 2 == 0
        case Close(error):
            assert str(error).encode()


@given(seed=st.integers(0, 2**64), mode=st.sampled_from(MODES), nested=st.booleans())
def test_a_session_of_bent_events_is_lived_through(seed: int, mode: str, nested: bool) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    dialect, effects, now = realtime(mode), [], 0.0
    effects += dialect.begin(now)
    for number, event in enumerate(SESSION):
        now += 0.2
        if number == 2 and mode != "duplex":
            effects += dialect.start_speech(now)
        if number == 3 and mode == "push2talk":
            effects += [*dialect.record(SPEECH, now), *dialect.stop_speech(now)]
        if number == 10:
            with contextlib.suppress(CallerError):
                effects += dialect.tool_result("call_1", "{}", now)
        said = bent(event, random) if number > 1 and random.random() < 0.5 else event
        if nested and isinstance(said, dict) and "type" in said:
            said = {"type": said["type"], "data": {**said, "type": None}}
        effects += dialect.receive_text(json.dumps(said), now)
    for effect in effects:
        check(effect)
    dialect.end(now)
    assert dialect.machine.stage is TurnStage.CLOSED
