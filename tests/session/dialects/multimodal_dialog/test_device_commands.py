"""Commands in a reply: read in every form the documents have, each passed on once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.events import Command
from mmid.json_text import written
from mmid.session.dialects.multimodal_dialog.device_commands import Asked, asking
from mmid.session.dialects.multimodal_dialog.directives import Frames
from mmid.session.dialects.multimodal_dialog.machine import Machine
from mmid.session.dialects.multimodal_dialog.messages import Output, parse
from mmid.session.dialects.multimodal_dialog.server_events import on_output
from mmid.session.dialects.multimodal_dialog.stages import Stage
from mmid.session.effects import Note, SetLoudness, ToolCall
from tests.rig.dialog_settings import dialog_settings
from tests.session.dialects.multimodal_dialog.cloud_frames import TASK_ID, output_frame

PARAMS = [{"name": "series", "normValue": "70", "value": "70"}]
SET = {"name": "VOLUME_SET", "params": PARAMS}
MUTE = {"name": "mute", "command_request_id": "r-7"}
# Who carries a command out quotes its id with the result.
QUOTED = [{"name": "command_request_id", "value": "r-7"}]
MUTE_JSON = json.dumps(QUOTED, separators=(",", ":"))


def commands_of(output: dict[str, Any]) -> list[Asked]:
    """Return the commands of a frame, without what was wrong with others."""
    return [one for one in asking(output) if isinstance(one, Asked)]


def frame(commands: Any, **more: Any) -> dict[str, Any]:
    return {"round_id": "round-1", "extra_info": {"commands": commands}, **more}


@pytest.mark.parametrize("commands", [[SET, MUTE], json.dumps([SET, MUTE])], ids=["array", "text"])
def test_commands_are_read_as_an_array_or_as_json_within_json(commands: Any) -> None:
    assert [(one.name, one.params) for one in commands_of(frame(commands))] == [
        ("VOLUME_SET", PARAMS),
        ("mute", QUOTED),
    ]


def test_a_command_is_known_by_its_request_else_by_round_and_name() -> None:
    again = commands_of(frame([{**SET, "params": []}, {**MUTE, "name": "hush"}]))
    first = commands_of(frame([SET, MUTE]))
    other = commands_of(frame([SET, MUTE], round_id="round-2"))
    assert [one.key for one in first] == [one.key for one in again]
    assert first[0].key != other[0].key
    assert first[1].key == other[1].key


@pytest.mark.parametrize(
    ("commands", "fault"),
    [
        ("[", "commands that are not JSON"),
        ("7", "commands that are no array"),
        ({"name": "mute"}, "commands that are no array"),
        ([7], "a command without a name"),
        ([{"name": ""}], "a command without a name"),
        ([{"name": "x" * 129}], "a command without a name"),
        (
            [{"name": "mute", "command_request_id": "r" * 1_000_000}],
            "the command mute whose id or domain is over 128 characters",
        ),
        (
            [{"name": "mute", "intent_info": {"domain": "d" * 129}}],
            "the command mute whose id or domain is over 128 characters",
        ),
        ("[" * 40 + "]" * 40, "commands that are not JSON"),
        ([{"name": "mute", "params": "all"}], "the command mute with parameters that are no array"),
    ],
    ids=[
        "torn",
        "number",
        "object",
        "no object",
        "empty",
        "long",
        "id",
        "domain",
        "deep",
        "params",
    ],
)
def test_what_makes_no_sense_is_a_fault_and_no_command(commands: Any, fault: str) -> None:
    assert asking(frame(commands)) == [fault]


def test_a_fault_does_not_cost_its_neighbours() -> None:
    assert asking(frame([7, MUTE])) == [
        "a command without a name",
        Asked("request r-7", "mute", QUOTED, "mute", "r-7"),
    ]


@pytest.mark.parametrize(
    "intents",
    [
        {"intent_info": {"domain": "light", "intent": "on"}},
        {"intent_infos": [7, {"intent": "on"}, {"domain": "light"}, {"domain": "radio"}]},
        {"intent_info": {"domain": "radio"}, "intent_infos": [{"domain": "light"}]},
    ],
)
def test_the_domain_of_a_command_is_a_parameter_and_belongs_to_its_name(
    intents: dict[str, Any],
) -> None:
    (asked,) = commands_of(frame([{**MUTE, "params": PARAMS, **intents}]))
    assert asked.params == [*PARAMS, *QUOTED, {"name": "domain", "value": "light"}]
    assert (asked.function, asked.request) == ("light/mute", "r-7")
    assert json.loads(asked.arguments) == {"series": "70"}


@pytest.mark.parametrize("value", [0, False])
def test_an_argument_may_be_nought(value: object) -> None:
    params = [{"name": "brightness", "normValue": value, "value": "zero"}]
    (asked,) = commands_of(frame([{"name": "lamp", "params": params}]))
    assert json.loads(asked.arguments) == {"brightness": value}


@pytest.mark.parametrize("intents", [{"intent_info": 7}, {"intent_infos": [{"domain": 7}]}])
def test_a_command_without_a_domain_has_none(intents: dict[str, Any]) -> None:
    (asked,) = commands_of(frame([{**MUTE, **intents}]))
    assert (asked.params, asked.function) == (QUOTED, "mute")


def test_commands_of_one_name_of_two_skills_are_two() -> None:
    skills = [{**SET, "intent_info": {"domain": domain}} for domain in ("light", "radio")]
    one, other = commands_of(frame(skills))
    assert one.key != other.key


CALL = {
    "id": "call-1",
    "type": "function",
    "function": {"name": "mute", "arguments": '{"city":"Hangzhou"}'},
}


def calls(*listed: Any, **more: Any) -> list[Asked]:
    return commands_of({"round_id": "round-1", "extra_info": {"tool_calls": list(listed)}, **more})


def parameters(asked: Asked) -> dict[str, str]:
    return {one["name"]: one["value"] for one in asked.params}


def test_a_tool_call_is_told_as_a_command_of_its_own_name() -> None:
    (asked,) = calls(CALL)
    assert asked.name == "tool_call", "a tool called mute is not the command mute"
    assert parameters(asked) == {
        "id": "call-1",
        "function": "mute",
        "arguments": '{"city":"Hangzhou"}',
    }


def test_a_tool_call_is_told_again_when_it_has_its_outputs() -> None:
    ended = {"outputs": '{"t":23}', "status": {"code": 0, "message": "ok"}}
    (made,) = calls(CALL)
    (done,) = calls({**CALL, "function": {**CALL["function"], **ended}})  # type: ignore[dict-item]
    assert made.key != done.key
    assert calls(CALL)[0].key == made.key
    assert parameters(done)["outputs"] == '{"t":23}'
    assert json.loads(parameters(done)["status"]) == {"code": 0, "message": "ok"}


def test_what_a_tool_returned_is_cut_where_nobody_reads_on() -> None:
    function = {"name": "page", "outputs": "x" * 100_000}
    (asked,) = calls({"id": "c", "function": function})
    assert len(parameters(asked)["outputs"]) == 16384


@pytest.mark.parametrize("call", [7, {}, {"function": "mute"}, {"function": {"name": ""}}])
def test_a_tool_call_without_a_function_is_a_fault(call: Any) -> None:
    extra = {"extra_info": {"tool_calls": [call, CALL]}}
    fault, told = asking(extra)
    assert fault == "a tool call without a function"
    assert isinstance(told, Asked)


@pytest.mark.parametrize("call", [{**CALL, "id": "c" * 1000}, {"function": {"name": "f" * 1000}}])
def test_a_tool_call_with_a_name_or_an_id_without_end_is_a_fault(call: Any) -> None:
    extra = {"extra_info": {"tool_calls": [call]}}
    assert asking(extra) == ["a tool call whose name or id is over 128 characters"]


def test_half_a_character_in_a_command_is_replaced() -> None:
    (told,) = commands_of(frame([{"name": "say\ud83d", "params": [{"name": "\ude00"}]}]))
    assert (told.name, written(told.params)) == ("say\ufffd", '[{"name":"\ufffd"}]')


def test_a_flood_is_cut() -> None:
    *found, fault = asking(frame([{"name": f"n{number}"} for number in range(20)]))
    assert len(found) == 16
    assert fault == "20 commands at once, passed on 16"


@pytest.mark.parametrize(
    "output", [{}, {"extra_info": None}, {"extra_info": 7}, frame(""), frame([])]
)
def test_most_frames_ask_for_nothing(output: dict[str, Any]) -> None:
    assert not asking(output)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["name", "params", "commands"]), inner)
        ),
        max_leaves=10,
    )
)
def test_no_commands_whatever_raise(commands: Any) -> None:
    for one in (commands, json.dumps(commands)):
        assert all(json.loads(written(told.params)) is not None for told in commands_of(frame(one)))


# --- in a dialog -------------------------------------------------------------------------------


def responding() -> Machine:
    machine = Machine(dialog_settings(), "push2talk", Frames(TASK_ID, ""), 15.0)
    machine.reached_listening = True
    on_output(machine, Output("DialogStateChanged", state="Listening"), 0.0)
    on_output(machine, Output("DialogStateChanged", state="Responding"), 0.0)
    assert machine.stage is Stage.RESPONDING
    return machine


def content(machine: Machine, commands: Any, round_id: str = "round-1") -> list[Any]:
    text = output_frame(
        "RespondingContent", text="so", round_id=round_id, extra_info={"commands": commands}
    )
    output = parse(text)
    assert isinstance(output, Output)
    return on_output(machine, output, 1.0)[1:]


def test_a_command_that_is_repeated_is_passed_on_once() -> None:
    machine = responding()
    assert content(machine, json.dumps([SET])) == [
        ToolCall(
            "",
            "VOLUME_SET",
            '{"series":"70"}',
            Command("VOLUME_SET", json.dumps(PARAMS, separators=(",", ":"))),
        ),
        SetLoudness(70, muted=False),
    ]
    assert content(machine, [SET]) == []
    assert content(machine, [SET, MUTE]) == [
        ToolCall("r-7", "mute", "{}", Command("mute", MUTE_JSON)),
        SetLoudness(muted=True),
    ]


def test_a_fault_is_a_note_and_the_reply_goes_on() -> None:
    machine = responding()
    fault = "ignored commands that make no sense: commands that are not JSON"
    assert content(machine, "[") == [Note(fault)]
    assert content(machine, "[") == [], "once is enough"
    assert machine.stage is Stage.RESPONDING
    assert machine.malformed == 0


def test_what_a_reply_makes_us_remember_is_bounded() -> None:
    machine = responding()
    effects = [
        effect
        for number in range(100)
        for effect in content(machine, [{"name": f"command{number}"}])
    ]
    assert sum(isinstance(effect, ToolCall) for effect in effects) == 64
    assert len(machine.turn.commands) == 64
