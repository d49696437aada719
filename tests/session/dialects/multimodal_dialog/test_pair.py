"""Both sides of the protocol against each other: a strict cloud, never with a reason to refuse."""

import random

import pytest

from mmid.events import Error, LlmComplete, TtsEnd
from mmid.simcloud.core.scenario import Scenario
from tests.session.dialects.multimodal_dialog.pair import Pair
from tests.session.dialects.multimodal_dialog.stage_routes import MODES


def speak(pair: Pair, seconds: float = 1.0) -> None:
    """Say something in the way of the work mode."""
    pair.press()
    pair.voice = True
    pair.run(seconds)
    pair.voice = False
    if pair.witness.mode == "push2talk":
        pair.release()


@pytest.mark.parametrize("delay_s", [0.0, 0.2])
@pytest.mark.parametrize("mode", MODES)
def test_turn_after_turn_is_answered(mode: str, delay_s: float) -> None:
    pair = Pair(mode, delay_s=delay_s)
    pair.run(1.0)
    for turn in range(1, 6):
        speak(pair)
        pair.run(6.0)
        assert pair.rests()
        assert sum(isinstance(event, LlmComplete) for event in pair.events) == turn
        assert sum(isinstance(event, TtsEnd) for event in pair.events) == turn
    assert not [event for event in pair.events if isinstance(event, Error)]


@pytest.mark.parametrize("mode", MODES)
def test_an_hour_of_silence_is_lived_through_with_few_messages(mode: str) -> None:
    pair = Pair(mode)
    if mode == "duplex":
        pair.run(25.0)  # the microphone streams: the cloud has what it wants
    else:
        pair.run(3600.0)
        assert pair.sent.count("text") <= 1 + 3600 / 45
        assert pair.sent.count("audio") <= (3600 / 15 if mode == "tap2talk" else 0)
    assert pair.closed is None
    assert pair.rests()


@pytest.mark.parametrize("mode", MODES)
def test_a_reply_is_interrupted_and_the_next_speech_is_answered(mode: str) -> None:
    pair = Pair(mode)
    pair.run(1.0)
    speak(pair)
    pair.run(1.5)
    assert not pair.rests()
    speak(pair)
    pair.run(6.0)
    assert pair.rests()
    assert sum(isinstance(event, TtsEnd) for event in pair.events) == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("delay_s", [0.0, 0.08])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_people_do_the_cloud_has_no_reason_to_refuse(
    mode: str, delay_s: float, seed: int
) -> None:
    draw = random.Random(seed)  # noqa: S311 - not a secret
    pair = Pair(mode, delay_s=delay_s, scenario=Scenario(thinking_ms=draw.choice([0, 300, 3000])))
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
        pair.run(draw.choice([0.0, 0.05, 0.3, 1.0, 4.0]))
        assert pair.closed is None, pair.closed
    pair.voice = False
    pair.release()
    pair.run(30.0)
    assert pair.closed is None
    assert pair.rests()
    speak(pair)
    pair.run(8.0)
    assert pair.rests()
    assert not [event for event in pair.events if isinstance(event, Error) and event.code != "busy"]
