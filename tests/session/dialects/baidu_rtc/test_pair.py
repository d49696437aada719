"""Both sides of the protocol against each other: a strict service, never refusing."""

import random
from contextlib import suppress
from typing import Any

import pytest

from mmid.errors import CallerError
from mmid.events import (
    AsrEnd,
    AsrStart,
    Command,
    Error,
    LlmComplete,
    SpeechPrepare,
    SpeechRestart,
    SpeechStart,
    TtsEnd,
    TtsStart,
)
from mmid.session.effects import Next
from mmid.simcloud.baidu_rtc.vocabulary import RtcTurn
from mmid.simcloud.core.scenario import Scenario, ScriptedTurn
from tests.session.dialects.baidu_rtc.connection import MODES
from tests.session.dialects.baidu_rtc.pair import Pair
from tests.simcloud.qwen_realtime.test_protocol import JPEG

TURN = ScriptedTurn()
CALLING = ScriptedTurn(tool_calls=({"name": "lamp", "id": "call_1", "arguments": {"on": True}},))
SEEING = ScriptedTurn(tables=(RtcTurn(picture=True),))

# The liberties that the service takes, one way and the other.
LIBERTIES: dict[str, dict[str, Any]] = {
    "as the sheet has it": {},
    "otherwise": {
        "must": "second",
        "delta": True,
        "final": "early",
        "begin": "late",
        "marker": True,
        "odd_audio": True,
        "keepalive_ms": 700,
        "old_calls": True,
        "suffix": "|||[name]:1&[emotion]:calm&[score]:0.9",
    },
    "as little as possible": {"must": "never", "final": "none", "interrupt_end": False},
}
LIBERTY = pytest.mark.parametrize("rules", LIBERTIES.values(), ids=LIBERTIES)


def speak(pair: Pair, seconds: float = 1.0) -> None:
    """Say something in the way of the work mode."""
    pair.press()
    pair.voice = True
    pair.run(seconds)
    pair.voice = False
    if pair.witness.mode == "push2talk":
        pair.release()


def count(pair: Pair, kind: type) -> int:
    return sum(isinstance(event, kind) for event in pair.events)


def errors(pair: Pair) -> list[str]:
    return [event.code for event in pair.events if isinstance(event, Error)]


@LIBERTY
@pytest.mark.parametrize("delay_s", [0.0, 0.2])
@pytest.mark.parametrize("mode", MODES)
def test_turn_after_turn_is_answered(mode: str, delay_s: float, rules: dict[str, Any]) -> None:
    pair = Pair(mode, delay_s=delay_s, **rules)
    pair.run(4.0)
    for turn in range(1, 6):
        speak(pair)
        pair.run(6.0)
        assert pair.rests()
        for kind in (LlmComplete, TtsEnd, AsrStart, AsrEnd):
            assert count(pair, kind) == turn
        assert pair.events.count(LlmComplete(TURN.reply)) == turn
    assert (errors(pair), pair.refusals) == ([], [])
    assert pair.book.used == ("must" not in rules or rules["must"] != "never")


@LIBERTY
@pytest.mark.parametrize("delay_s", [0.0, 0.2])
@pytest.mark.parametrize("mode", MODES)
def test_a_reply_is_interrupted_and_the_next_speech_is_answered(
    mode: str, delay_s: float, rules: dict[str, Any]
) -> None:
    scenario = Scenario(pace=1.0, stale_audio=True)
    pair = Pair(mode, delay_s=delay_s, scenario=scenario, **rules)
    pair.run(4.0)
    speak(pair)
    pair.run(2.2 if mode != "push2talk" else 1.2)
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
def test_a_license_that_is_asked_for_late_holds_the_speech_and_costs_none_of_it(mode: str) -> None:
    pair = Pair(mode, must="late", pass_ms=800)
    pair.run(2.5)
    speak(pair, 3.0)
    pair.run(6.0)
    assert pair.rests()
    assert count(pair, LlmComplete) == 1
    assert pair.witness.sent.endswith(pair.recorded) or mode != "push2talk"
    assert (errors(pair), pair.refusals) == ([], [])
    assert pair.book.used == 1


@pytest.mark.parametrize("must", ["first", "second", "late"])
def test_a_license_that_is_refused_ends_it_for_good(must: str) -> None:
    pair = Pair("push2talk", must=must, refuse="quota of kitchen-0001 is used up")
    pair.run(5.0)
    assert pair.closed is not None
    assert pair.closed.next is Next.STOP
    assert errors(pair) == ["license-refused"]
    (error,) = [event for event in pair.events if isinstance(event, Error)]
    assert "quota of ki***01 is used up" in error.message
    assert pair.book.used == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("greeting", [{}, {"begin": "late", "final": "early"}])
def test_a_greeting_is_heard(mode: str, greeting: dict[str, Any]) -> None:
    pair = Pair(mode, greeting="good morning", **greeting)
    pair.run(6.0)
    assert LlmComplete("good morning") in pair.events
    assert count(pair, TtsStart) == count(pair, TtsEnd) == 1
    assert pair.rests()


@pytest.mark.parametrize("mode", MODES)
def test_a_function_is_called_answered_and_the_reply_follows(mode: str) -> None:
    pair = Pair(mode, scenario=Scenario(pace=4.0, turns=(CALLING,)))
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
    pair = Pair("push2talk", scenario=Scenario(pace=4.0, turns=(CALLING,)))
    pair.run(1.0)
    speak(pair)
    pair.run(31.0)
    assert errors(pair) == ["tool"]
    pair.run(5.0)
    assert LlmComplete(TURN.reply) in pair.events
    assert pair.rests()
    assert pair.refusals == []


@pytest.mark.parametrize("text", ["", "what is it?"])
def test_a_picture_that_is_asked_for_is_shown_and_no_other(text: str) -> None:
    pair = Pair("push2talk", scenario=Scenario(pace=4.0, turns=(SEEING, TURN)))
    pair.run(1.0)
    assert not pair.ask("what is this", images=[JPEG])
    speak(pair)
    pair.run(1.0)
    assert Command("upload_image", "[]") in pair.events
    assert pair.ask(text, images=[JPEG])
    assert not pair.ask("", images=[JPEG])
    pair.run(5.0)
    assert LlmComplete(TURN.reply) in pair.events
    assert pair.rests()
    assert pair.refusals == []


def test_a_text_is_answered_and_another_is_spoken() -> None:
    pair = Pair("push2talk")
    pair.run(1.0)
    assert pair.ask("[E]:[LIC]:[ACTIVE]:{}\n[B]")
    pair.run(5.0)
    pair.say("good morning")
    pair.run(5.0)
    assert [event.text for event in pair.events if isinstance(event, LlmComplete)] == [
        TURN.reply,
        "good morning",
    ]
    assert count(pair, AsrStart) == 0
    assert pair.refusals == []


def test_a_reply_without_a_voice_has_a_text_only() -> None:
    pair = Pair("push2talk", scenario=Scenario(pace=4.0, turns=(ScriptedTurn(spoken=False),)))
    pair.run(1.0)
    speak(pair)
    pair.run(15.0)
    assert count(pair, TtsStart) == 0
    assert LlmComplete(TURN.reply) in pair.events
    assert pair.rests()
    assert errors(pair) == []


def test_a_reply_without_an_end_is_played_and_over() -> None:
    pair = Pair("push2talk", end=False, final="none")
    pair.run(1.0)
    speak(pair)
    pair.run(20.0)
    assert count(pair, TtsEnd) == 1
    assert LlmComplete(TURN.reply) in pair.events
    assert pair.rests()
    assert errors(pair) == []


@pytest.mark.parametrize("seconds", [0.0, 0.05, 1.0])
def test_a_cancelled_press_comes_to_nothing(seconds: float) -> None:
    pair = Pair("push2talk")
    pair.run(1.0)
    pair.press()
    pair.run(seconds)
    pair.release(cancel=True)
    pair.run(5.0)
    assert (count(pair, SpeechStart), count(pair, SpeechPrepare)) == (1, 2)
    assert count(pair, TtsStart) == 0
    speak(pair)
    pair.run(6.0)
    assert count(pair, TtsEnd) == 1
    assert pair.refusals == []


def test_a_service_that_hangs_up_is_told_once_it_costs_something() -> None:
    pair = Pair("push2talk")
    pair.run(1.0)
    speak(pair)
    pair.run(1.0)
    pair._perform(pair.dialect.closed(None, "", pair.now))
    assert [type(event).__name__ for event in pair.events][-2:] == ["TtsEnd", "Error"]
    assert pair.closed is not None
    assert pair.closed.next is Next.RETRY


@LIBERTY
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(2))
def test_whatever_people_do_the_service_has_no_reason_to_refuse(
    mode: str, seed: int, rules: dict[str, Any]
) -> None:
    draw = random.Random(seed)  # noqa: S311 - not a secret
    delay_s = 0.08 * seed
    turns = (TURN, CALLING, ScriptedTurn(spoken=False), SEEING)
    scenario = Scenario(
        thinking_ms=draw.choice([0, 300, 3000]),
        pace=draw.choice([1.0, 8.0]),
        stale_audio=True,
        stray_audio=True,
        turns=turns,
    )
    pair = Pair(mode, delay_s=delay_s, scenario=scenario, **rules)
    pair.run(4.0)
    for _ in range(40):
        doing = draw.choice(["press", "release", "cancel", "ask", "interrupt", "voice", "hush"])
        if doing == "press":
            pair.press()
        elif doing in {"release", "cancel"}:
            pair.release(cancel=doing == "cancel")
        elif doing == "ask":
            pair.ask("what")
        elif doing == "interrupt":
            with suppress(CallerError):
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
