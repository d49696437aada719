"""Both sides of the realtime protocol against each other: a strict service, never refusing."""

import random
from contextlib import suppress

import pytest

from mmid.errors import CallerError
from mmid.events import (
    AsrComplete,
    AsrEnd,
    AsrIncomplete,
    AsrStart,
    Command,
    Error,
    LlmComplete,
    LlmIncomplete,
    SpeechPrepare,
    SpeechReady,
    SpeechRestart,
    SpeechStart,
    TtsEnd,
    TtsStart,
)
from mmid.session.effects import Next
from mmid.simcloud.core.scenario import Scenario, ScriptedTurn
from mmid.simcloud.qwen_realtime.vocabulary import RealtimeRules, RealtimeTurn
from tests.session.dialects.qwen_realtime.pair import MODES, Pair
from tests.simcloud.qwen_realtime.test_protocol import JPEG

TURN = ScriptedTurn()
LAMP = [{"type": "function", "function": {"name": "lamp"}}]
CALLING = ScriptedTurn(tool_calls=({"name": "lamp", "id": "call_1", "arguments": {"on": True}},))
ODD = RealtimeRules(odd_deltas=True, cancel_done=False, finish="error")


def speak(pair: Pair, seconds: float = 1.0) -> None:
    """Say something in the way of the work mode."""
    pair.press()
    pair.voice = True
    pair.run(seconds)
    pair.voice = False
    if pair.witness.mode == "push2talk":
        pair.release()


def names(pair: Pair) -> list[str]:
    """Return what was told, without repeats of growing texts."""
    told = [type(event).__name__ for event in pair.events]
    return [name for name, before in zip(told, ["", *told], strict=False) if name != before]


def count(pair: Pair, kind: type) -> int:
    return sum(isinstance(event, kind) for event in pair.events)


def test_a_turn_is_told_in_the_order_of_the_sdks_events() -> None:
    pair = Pair("push2talk")
    pair.run(1.0)
    speak(pair)
    pair.run(5.0)
    assert names(pair) == [
        "SpeechReady",
        "SpeechPrepare",
        "SpeechStart",
        "AsrStart",
        "AsrComplete",
        "AsrEnd",
        "TtsStart",
        "LlmIncomplete",
        "LlmComplete",
        "TtsEnd",
        "SpeechPrepare",
    ]
    assert AsrComplete(TURN.transcript) in pair.events
    assert LlmComplete(TURN.reply) in pair.events


def test_where_the_service_hears_by_itself_it_tells_what_it_understands_so_far() -> None:
    pair = Pair("tap2talk")
    pair.run(1.0)
    speak(pair)
    pair.run(6.0)
    assert AsrIncomplete("what is the") in pair.events
    assert names(pair)[2:7] == ["SpeechStart", "AsrStart", "AsrIncomplete", "AsrComplete", "AsrEnd"]
    assert not pair.pressed
    assert pair.rests()


@pytest.mark.parametrize("rules", [RealtimeRules(), ODD])
@pytest.mark.parametrize("delay_s", [0.0, 0.2])
@pytest.mark.parametrize("mode", MODES)
def test_turn_after_turn_is_answered(mode: str, delay_s: float, rules: RealtimeRules) -> None:
    pair = Pair(mode, delay_s=delay_s, scenario=Scenario(pace=4.0, tables=(rules,)))
    pair.run(1.0)
    for turn in range(1, 6):
        speak(pair)
        pair.run(6.0)
        assert pair.rests()
        assert count(pair, LlmComplete) == turn
        assert count(pair, TtsEnd) == turn
        assert count(pair, AsrEnd) == turn
    assert not [event for event in pair.events if isinstance(event, Error)]
    assert pair.refusals == []


@pytest.mark.parametrize("rules", [RealtimeRules(), ODD])
@pytest.mark.parametrize("delay_s", [0.0, 0.2])
@pytest.mark.parametrize("mode", MODES)
def test_a_reply_is_interrupted_and_the_next_speech_is_answered(
    mode: str, delay_s: float, rules: RealtimeRules
) -> None:
    scenario = Scenario(pace=1.0, stale_audio=True, tables=(rules,))
    pair = Pair(mode, delay_s=delay_s, scenario=scenario)
    pair.run(1.0)
    speak(pair)
    pair.run(2.0 if mode != "push2talk" else 1.2)
    assert count(pair, TtsStart) == 1
    assert not pair.rests()
    speak(pair)
    pair.run(8.0)
    assert pair.rests()
    assert count(pair, SpeechRestart) == 1
    assert count(pair, TtsEnd) == count(pair, TtsStart) == 2
    assert count(pair, LlmComplete) == 2
    assert pair.refusals == []


@pytest.mark.parametrize("mode", MODES)
def test_a_function_is_called_answered_and_the_reply_follows(mode: str) -> None:
    pair = Pair(mode, scenario=Scenario(pace=4.0, turns=(CALLING,)), tools=LAMP)
    pair.run(1.0)
    speak(pair)
    pair.run(3.0)
    (command,) = [event for event in pair.events if isinstance(event, Command)]
    assert command.name == "tool_call"
    assert '"value":"call_1"' in command.params_json
    assert count(pair, TtsStart) == 0
    pair.answer("call_1", '{"ok":true}')
    pair.run(5.0)
    assert LlmComplete(TURN.reply) in pair.events
    assert pair.rests()
    assert pair.refusals == []


def test_a_function_that_does_not_answer_costs_no_more_than_30_s() -> None:
    pair = Pair("push2talk", scenario=Scenario(pace=4.0, turns=(CALLING,)), tools=LAMP)
    pair.run(1.0)
    speak(pair)
    pair.run(31.0)
    assert [event.code for event in pair.events if isinstance(event, Error)] == ["tool"]
    pair.run(5.0)
    assert LlmComplete(TURN.reply) in pair.events
    assert pair.rests()
    assert pair.refusals == []


def test_a_press_of_less_than_a_tenth_of_a_second_ends_as_an_empty_turn() -> None:
    pair = Pair("push2talk")
    pair.run(1.0)
    pair.press()
    pair.release()
    pair.run(1.0)
    assert names(pair)[2:] == ["SpeechStart", "AsrStart", "AsrComplete", "AsrEnd", "SpeechPrepare"]
    assert AsrComplete("") in pair.events
    assert pair.witness.texts[-1]["type"] == "input_audio_buffer.clear"
    assert pair.rests()


@pytest.mark.parametrize("transcription", ["failed", "none", "late"])
def test_a_reply_waits_for_no_transcript(transcription: str) -> None:
    table = RealtimeTurn(transcription=transcription)  # type: ignore[arg-type]
    pair = Pair("push2talk", scenario=Scenario(pace=4.0, turns=(ScriptedTurn(tables=(table,)),)))
    pair.run(1.0)
    speak(pair)
    pair.run(6.0)
    told = [name for name in names(pair) if name.startswith(("Asr", "Tts"))]
    late = ["AsrComplete"] if transcription == "late" else []
    assert told == ["AsrStart", "AsrComplete", "AsrEnd", "TtsStart", *late, "TtsEnd"]
    assert pair.rests()


def test_a_text_is_answered_and_another_is_spoken() -> None:
    pair = Pair("push2talk")
    pair.run(1.0)
    assert pair.ask("what time is it")
    pair.run(5.0)
    pair.say("good morning")
    pair.run(5.0)
    (said,) = [event.text for event in pair.events if isinstance(event, LlmComplete)][1:]
    assert "good morning" in said
    assert count(pair, AsrStart) == 0
    assert pair.refusals == []


def test_a_model_that_takes_no_text_costs_the_question_and_nothing_else() -> None:
    pair = Pair("push2talk", model="qwen3.8-omni-flash-realtime")
    pair.run(1.0)
    assert pair.ask("what time is it")
    pair.run(5.0)
    told = {event.code for event in pair.events if isinstance(event, Error)}
    assert told == {"invalid_value"}, "the service's own words"
    assert pair.rests()
    assert not pair.ended
    pair.say("good morning")
    pair.run(5.0)
    assert count(pair, LlmComplete) == 1


def test_a_picture_is_asked_about() -> None:
    pair = Pair("push2talk")
    pair.run(1.0)
    assert pair.ask("what is this", images=[JPEG])
    pair.run(5.0)
    assert count(pair, LlmComplete) == 1
    assert pair.refusals == []


def test_a_reply_without_a_voice_has_a_text_only() -> None:
    turns = (ScriptedTurn(spoken=False),)
    pair = Pair("push2talk", scenario=Scenario(pace=4.0, turns=turns))
    pair.run(1.0)
    speak(pair)
    pair.run(5.0)
    assert count(pair, TtsStart) == 0
    assert LlmComplete(TURN.reply) in pair.events
    assert pair.rests()


def test_in_duplex_the_model_may_speak_unprompted() -> None:
    pair = Pair("duplex", session_json='{"temperature": 0.5}')
    pair.run(1.0)
    cloud = pair._cloud
    cloud._conversation.session["turn_detection"]["idle_timeout_ms"] = 5000  # type: ignore[attr-defined]
    pair.run(9.0)
    assert count(pair, TtsStart) >= 1
    assert count(pair, LlmIncomplete) >= 1
    assert pair.refusals == []


def test_a_handbook_gateway_is_spoken_to_in_its_words() -> None:
    pair = Pair("push2talk", names="handbook")
    pair.run(1.0)
    for turn in (1, 2):
        speak(pair)
        pair.run(6.0)
        assert pair.rests()
        assert count(pair, LlmComplete) == turn
    assert count(pair, SpeechReady) == 1
    assert pair.refusals == []


@pytest.mark.parametrize(("life_s", "until"), [(60, 60.0), (6600, 290.0)])
def test_a_session_is_left_before_the_service_ends_it(life_s: int, until: float) -> None:
    pair = Pair("push2talk", session_life_s=life_s)
    pair.run(until - 1)
    assert not pair.ended
    pair.run(2.0)
    assert pair.closed is not None
    assert (pair.closed.error, pair.closed.next) == (None, Next.RETRY)
    assert not [event for event in pair.events if isinstance(event, Error)]


def test_a_session_is_not_left_in_a_turn() -> None:
    scenario = Scenario(pace=1.0, turns=(ScriptedTurn(),))
    pair = Pair("push2talk", session_life_s=5, scenario=scenario)
    pair.run(4.0)
    speak(pair, 3.0)
    assert not pair.ended
    pair.run(0.5)
    assert not pair.ended
    pair.run(5.0)
    assert pair.closed is not None
    assert count(pair, TtsEnd) == count(pair, SpeechStart) == 1
    assert count(pair, SpeechPrepare) == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("delay_s", [0.0, 0.08])
@pytest.mark.parametrize("seed", range(6))
def test_whatever_people_do_the_service_has_no_reason_to_refuse(
    mode: str, delay_s: float, seed: int
) -> None:
    draw = random.Random(seed)  # noqa: S311 - not a secret
    rules = draw.choice([RealtimeRules(), ODD])
    turns = (TURN, CALLING, ScriptedTurn(spoken=False))
    scenario = Scenario(
        thinking_ms=draw.choice([0, 300, 3000]),
        pace=draw.choice([1.0, 8.0]),
        stale_audio=True,
        stray_audio=True,
        turns=turns,
        tables=(rules,),
    )
    pair = Pair(mode, delay_s=delay_s, scenario=scenario, tools=LAMP)
    pair.run(1.0)
    for _ in range(40):
        doing = draw.choice(["press", "release", "cancel", "ask", "interrupt", "voice", "hush"])
        if doing == "press":
            pair.press()
        elif doing in {"release", "cancel"}:
            pair.release(cancel=doing == "cancel")
        elif doing == "ask":
            pair.ask("what")
        elif doing == "interrupt":
            pair.interrupt()
        else:
            pair.voice = doing == "voice"
        pair.run(draw.choice([0.0, 0.05, 0.3, 1.0, 3.0]))
        with suppress(CallerError):
            pair.answer("call_1", "{}")
    pair.voice = False
    pair.release()
    pair.run(40.0)
    assert pair.closed is None
    assert pair.rests()
    assert pair.refusals == []
