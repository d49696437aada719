import asyncio
from collections.abc import AsyncIterator

import pytest

from mmid.cli.mmictl.turn import AwaitedTurn, TurnFailed, TurnTooLong
from mmid.dbus.client import Received
from mmid.dbus.interface import DIALOG, PROPERTIES


def state(name: str) -> Received:
    return Received(PROPERTIES, "PropertiesChanged", {"changed_properties": {"State": name}})


def event(name: str, **arguments: str) -> Received:
    return Received(DIALOG, name, arguments)


async def silence() -> AsyncIterator[Received]:
    await asyncio.Event().wait()
    yield event("TtsEnd")


def ends_with_last(turn: AwaitedTurn, *signals: Received) -> bool:
    *before, last = signals
    return not any(turn.take(signal) for signal in before) and turn.take(last)


def test_a_turn_ends_when_the_reply_was_played_and_not_when_it_arrived() -> None:
    turn = AwaitedTurn()
    turn.begin()
    assert ends_with_last(
        turn,
        state("thinking"),
        state("responding"),
        event("LlmComplete", text="noon"),
        event("TtsEnd"),
        state("listening"),
    )
    assert turn.reply == "noon"


@pytest.mark.parametrize("begins", ["SpeechStart", "SpeechRestart", ""])
def test_the_end_of_an_interrupted_reply_is_not_the_turn_s_end(begins: str) -> None:
    turn = AwaitedTurn()
    assert not any(turn.take(state(name)) for name in ("responding", "listening"))
    if begins:
        assert not turn.take(event(begins))
    turn.begin()
    assert not turn.over
    assert ends_with_last(turn, state("listening"), state("thinking"), state("idle"))


def test_listening_again_without_an_answer_is_not_the_end() -> None:
    turn = AwaitedTurn()
    turn.begin()
    assert not turn.take(state("listening"))


def test_the_last_text_is_the_reply_even_when_it_was_not_final() -> None:
    turn = AwaitedTurn()
    turn.take(event("LlmIncomplete", text="It"))
    turn.take(event("LlmIncomplete", text="It is"))
    assert turn.reply == "It is"


def test_an_error_ends_the_turn_even_while_speaking() -> None:
    turn = AwaitedTurn()
    assert turn.take(event("Error", code="tls", message="no"))


@pytest.mark.parametrize("code", ["tool", "network-slow", "busy"])
def test_the_reply_is_waited_for_after_an_error_that_does_not_take_its_place(code: str) -> None:
    turn = AwaitedTurn()
    turn.begin()
    assert ends_with_last(
        turn,
        state("thinking"),
        event("Error", code=code, message="why"),
        event("LlmComplete", text="noon"),
        state("responding"),
        state("listening"),
    )
    assert (turn.reply, turn.error) == ("noon", None)


@pytest.mark.parametrize(
    ("code", "exit_status"),
    [("audio-device", 74), ("tls", 76), ("connection-lost", 69), ("100007", 76), ("clock", 75)],
)
async def test_an_error_event_is_raised_with_the_exit_status_of_its_code(
    code: str, exit_status: int
) -> None:
    turn = AwaitedTurn()
    turn.take(event("Error", code=code, message="why"))
    with pytest.raises(TurnFailed, match=f"^{code}: why$") as caught:
        await turn.finish(silence(), 5)
    assert caught.value.facts.exit_code == exit_status


async def test_a_turn_that_does_not_end_is_given_up() -> None:
    with pytest.raises(TurnTooLong) as caught:
        await AwaitedTurn().finish(silence(), 0.01)
    assert caught.value.facts.exit_code == 75
    assert "--timeout" in caught.value.remedy
