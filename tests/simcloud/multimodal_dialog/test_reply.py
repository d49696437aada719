"""What rides on the text of a reply."""

import json
from typing import Any

import pytest

from mmid.simcloud.core.scenario import ScriptedTurn
from mmid.simcloud.multimodal_dialog.reply import extra_info
from mmid.simcloud.multimodal_dialog.vocabulary import ReplyExtras
from tests.simcloud.multimodal_dialog.talk import RESPOND, Talk

COMMAND = {"name": "VOLUME_SET", "params": [{"name": "series", "normValue": "70"}]}


def test_commands_are_a_json_string_or_an_array() -> None:
    told = extra_info(ScriptedTurn(commands=(COMMAND,)))
    assert json.loads(told["commands"]) == [COMMAND]
    assert extra_info(
        ScriptedTurn(commands=(COMMAND,), tables=(ReplyExtras(commands_form="array"),))
    ) == {"commands": [COMMAND]}


def test_a_tool_call_has_strings_for_what_went_in_and_came_out() -> None:
    call = {"name": "weather", "arguments": {"city": "Oslo"}, "outputs": {"sky": "clear"}}
    (told,) = extra_info(ScriptedTurn(tool_calls=(call,)))["tool_calls"]
    assert (told["id"], told["type"]) == ("call_1", "function")
    function = told["function"]
    assert function["name"] == "weather"
    assert json.loads(function["arguments"]) == call["arguments"]
    assert json.loads(function["outputs"]) == call["outputs"]
    assert function["status"] == {"code": 200, "message": "success"}


def test_the_rest_goes_as_it_is_and_wins() -> None:
    turn = ScriptedTurn(
        commands=(COMMAND,),
        tables=(ReplyExtras(extra_info={"query": "x", "commands": "nonsense"}),),
    )
    assert extra_info(turn) == {"query": "x", "commands": "nonsense"}
    assert extra_info(ScriptedTurn()) == {}


@pytest.mark.parametrize(("extra_in", "count"), [("last", 1), ("every", 4)])
def test_it_rides_on_the_last_text_or_on_every_one(extra_in: Any, count: int) -> None:
    extras = ReplyExtras(extra_info={"query": "x"}, extra_in=extra_in)
    turn = ScriptedTurn(reply="five six seven eight", tables=(extras,))
    talk = Talk(turns=(turn,))
    talk.start()
    talk.say("RequestToRespond", **RESPOND)
    texts = [text for text in talk.texts() if text["event"] == "RespondingContent"]
    assert len(texts) == 4
    assert [text.get("extra_info") for text in texts] == [None] * (4 - count) + [
        {"query": "x"}
    ] * count


def test_a_transcript_is_spoken_without_what_rides_on_an_answer() -> None:
    talk = Talk(
        turns=(ScriptedTurn(commands=(COMMAND,), tables=(ReplyExtras(extra_info={"query": "x"}),)),)
    )
    talk.start()
    talk.say("RequestToRespond", **{**RESPOND, "type": "transcript"})
    assert not [text for text in talk.texts() if "extra_info" in text]
