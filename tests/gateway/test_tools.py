"""Programs that are tools of the model: who may be one, and what becomes of a call."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from mmid.errors import Busy, InvalidArgument, ToolFailed
from mmid.events import Command, Error
from mmid.gateway import tools
from mmid.gateway.tools import MOST_TOOLS
from mmid.session.conversation import Conversation
from mmid.session.dialects.dialect import Function
from mmid.session.effects import ToolCall
from tests.gateway.board import ALICE, BOB, Board

CALL = ToolCall("call_1", "lamp", '{"on":true}', Command("tool_call", "[]"))
SCHEMA = {"type": "object", "properties": {"on": {}}, "required": ["on"]}


class Dialog:
    """Takes what a conversation would; ``results``: what the model was answered."""

    ready = True

    def __init__(self) -> None:
        self.offered: list[list[str]] = []
        self.results: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.gone = False
        self.longest = 65536

    def offer_functions(self, functions: list[Any]) -> None:
        self.offered.append([one.name for one in functions])

    def tool_result(self, call_id: str, result: str) -> None:
        if self.gone:
            raise InvalidArgument("nobody waits")
        if len(result) > self.longest:
            raise InvalidArgument(f"a result has at most {self.longest} bytes")
        self.results.put_nowait((call_id, json.loads(result)))

    async def answered(self) -> Any:
        return await asyncio.wait_for(self.results.get(), 10)


@pytest.fixture
def dialog(board: Board) -> Dialog:
    made = Dialog()
    board.supervision.conversation = made  # type: ignore[assignment]
    return made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_CALL_S", 0.01)


def be_tool(
    board: Board,
    answer: Callable[[str], Awaitable[str]] | None = None,
    name: str = "lamp",
    schema: dict[str, Any] | None = None,
) -> list[tuple[str, str, str, str]]:
    """Register Alice's program; return the calls that it gets."""
    calls: list[tuple[str, str, str, str]] = []

    async def call(*called: str) -> str:
        calls.append(called)  # type: ignore[arg-type]
        return await answer(called[3]) if answer else '{"ok":true}'

    board.host.tools.call_program = call
    board.gateway.register_tool(ALICE, "/lamp", name, "Turns the lamp.", schema or SCHEMA)
    return calls


async def test_a_registered_program_is_called_and_the_model_gets_its_result(
    board: Board, dialog: Dialog
) -> None:
    calls = be_tool(board)
    board.host.perform(CALL)
    assert await dialog.answered() == ("call_1", {"ok": True})
    assert calls == [(ALICE, "/lamp", "lamp", '{"on":true}')]
    assert board.events == []


async def test_a_call_that_nobody_registered_for_is_told(board: Board, dialog: Dialog) -> None:
    be_tool(board, name="other")
    board.host.perform(CALL)
    assert board.events == [CALL.told]


@pytest.mark.parametrize(
    ("registered", "called", "is_it"),
    [
        ("light/on", "light/on", True),
        ("on", "light/on", True),
        ("light/on", "radio/on", False),
        ("light/on", "on", False),
    ],
)
async def test_a_tool_without_a_domain_is_that_of_every_domain(
    board: Board, dialog: Dialog, registered: str, called: str, *, is_it: bool
) -> None:
    calls = be_tool(board, name=registered)
    board.host.perform(ToolCall("7", called, '{"on":1}', Command("on", "[]")))
    assert bool(board.events) is not is_it
    if is_it:
        assert (await dialog.answered())[0] == "7"
        assert calls[0][2] == registered


async def forever(_: str) -> str:
    await asyncio.Event().wait()
    raise AssertionError


async def refuse(_: str) -> str:
    raise ToolFailed("the tool lamp: there is no bulb")


async def nonsense(_: str) -> str:
    return "{on"


def novel_of(length: int) -> Callable[[str], Awaitable[str]]:
    async def novel(_: str) -> str:
        return json.dumps("x" * (length - 2))

    return novel


@pytest.mark.parametrize(
    ("answer", "arguments", "excuse"),
    [
        (forever, '{"on":1}', "no answer within 0.01 s"),
        (refuse, '{"on":1}', "there is no bulb"),
        (nonsense, '{"on":1}', "not JSON"),
        (novel_of(65537), '{"on":1}', "over 65536 bytes"),
        (None, '{"off":1}', "was called without on"),
        (None, "", "was called without on"),
        (None, "[1]", "no JSON object"),
        (None, "{", "no JSON object"),
    ],
)
@pytest.mark.usefixtures("impatient")
async def test_a_tool_that_fails_is_told_and_the_model_hears_why(
    board: Board,
    dialog: Dialog,
    answer: Callable[[str], Awaitable[str]] | None,
    arguments: str,
    excuse: str,
) -> None:
    be_tool(board, answer)
    board.host.perform(ToolCall("call_1", "lamp", arguments, CALL.told))
    call_id, result = await dialog.answered()
    assert call_id == "call_1"
    assert excuse in result["error"]
    (error,) = [event for event in board.events if isinstance(event, Error)]
    assert (error.code, excuse in error.message) == ("tool", True)


async def test_what_a_cloud_says_as_a_text_arrives_as_the_schema_has_it(board: Board) -> None:
    kinds = {"on": "boolean", "level": "integer", "warmth": "number", "name": "string"}
    schema = {"properties": {key: {"type": kind} for key, kind in kinds.items()}}
    calls = be_tool(board, schema=schema)
    texts = {"on": "True", "level": " 7", "warmth": "0.5", "name": "7", "more": "1"}
    await board.gateway.call_tool("lamp", json.dumps(texts))
    odd = {"on": "perhaps", "level": "7.5", "warmth": "warm", "name": "x"}
    await board.gateway.call_tool("lamp", json.dumps(odd))
    assert [json.loads(call[3]) for call in calls] == [
        {"on": True, "level": 7, "warmth": 0.5, "name": "7", "more": "1"},
        odd,
    ]


async def test_eight_calls_may_be_under_way_and_the_ninth_is_refused(
    board: Board, dialog: Dialog
) -> None:
    be_tool(board, forever)
    for number in range(9):
        board.host.perform(ToolCall(f"call_{number}", "lamp", '{"on":1}', CALL.told))
    call_id, result = await dialog.answered()
    assert (call_id, "8 calls" in result["error"]) == ("call_8", True)
    assert dialog.results.empty()


async def test_a_result_that_nobody_waits_for_any_more_does_no_harm(
    board: Board, dialog: Dialog
) -> None:
    dialog.gone = True
    calls = be_tool(board)
    board.host.perform(CALL)
    board.host.perform(ToolCall("", "lamp", '{"on":1}', CALL.told))
    await asyncio.gather(*board.host.tools._serving)
    board.supervision.conversation = None
    board.host.perform(CALL)
    await asyncio.gather(*board.host.tools._serving)
    assert len(calls) == 3
    assert board.events == []


async def test_a_result_that_is_too_long_for_the_cloud_is_told_and_the_model_hears_why(
    board: Board, dialog: Dialog
) -> None:
    dialog.longest = 100
    be_tool(board, novel_of(200))
    board.host.perform(CALL)
    assert await dialog.answered() == ("call_1", {"error": "a result has at most 100 bytes"})
    await asyncio.gather(*board.host.tools._serving)
    (error,) = [event for event in board.events if isinstance(event, Error)]
    assert error.message == "the tool lamp: a result has at most 100 bytes"


async def test_one_may_try_a_tool_as_the_model_would(board: Board, dialog: Dialog) -> None:
    be_tool(board)
    assert await board.gateway.call_tool("lamp", '{"on":true}') == '{"ok":true}'
    with pytest.raises(ToolFailed, match="without on"):
        await board.gateway.call_tool("lamp", "")
    with pytest.raises(InvalidArgument, match="no program is the tool 'fan'"):
        await board.gateway.call_tool("fan", "{}")


async def test_a_name_has_one_owner_whose_leaving_ends_it(board: Board, dialog: Dialog) -> None:
    be_tool(board)
    with pytest.raises(Busy, match=ALICE):
        board.gateway.register_tool(BOB, "/lamp", "lamp", "", {})
    with pytest.raises(InvalidArgument, match="no tool of"):
        board.gateway.unregister_tool(BOB, "lamp")
    board.gateway.register_tool(BOB, "/fan", "fan", "", {})
    assert (board.status.names, set(board.gateway.tool_owners())) == (["fan", "lamp"], {ALICE, BOB})
    board.gateway.client_left(ALICE)
    board.gateway.register_tool(BOB, "/lamp", "lamp", "", {})
    board.gateway.unregister_tool(BOB, "fan")
    assert (board.status.names, set(board.gateway.tool_owners())) == (["lamp"], {BOB})


async def test_the_cloud_is_told_of_tools_now_and_then_however_often_they_change(
    board: Board, dialog: Dialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "_OFFER_EVERY_S", 1000.0)
    be_tool(board)
    await asyncio.sleep(0)
    assert dialog.offered == [["lamp"]]
    for number in range(20):
        board.gateway.register_tool(BOB, "/fan", f"fan_{number}", "", {})
        board.gateway.unregister_tool(BOB, f"fan_{number}")
    await asyncio.sleep(0)
    assert dialog.offered == [["lamp"]]
    board.host.tools.offer()
    assert dialog.offered == [["lamp"], ["lamp"]]


async def test_there_are_so_many_tools_and_no_more(board: Board) -> None:
    for number in range(MOST_TOOLS):
        board.gateway.register_tool(ALICE, "/x", f"tool_{number}", "", {})
    with pytest.raises(Busy, match="32 tools"):
        board.gateway.register_tool(ALICE, "/x", "one_more", "", {})
    board.gateway.register_tool(ALICE, "/y", "tool_0", "is another one now", {})


@pytest.mark.parametrize(
    ("name", "description", "schema", "reason"),
    [
        ("", "", {}, "no name"),
        ("two words", "", {}, "no name"),
        ("a/b/c", "", {}, "no name"),
        ("x" * 65, "", {}, "no name"),
        ("lamp", "x" * 1025, {}, "1024"),
        ("lamp", "", {"title": "x" * 16384}, "16384"),
        ("lamp", "", {"type": "array"}, "an object"),
        ("lamp", "", {"required": "on"}, "required"),
        ("lamp", "", {"required": [1]}, "required"),
    ],
)
async def test_what_no_cloud_takes_is_refused(
    board: Board, name: str, description: str, schema: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        board.gateway.register_tool(ALICE, "/lamp", name, description, schema)
    assert board.status.names == []


async def test_a_new_connection_is_told_of_the_tools_before_anything_is_said(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_tool(board)
    offered: list[list[str]] = []

    def offer(_: Conversation, functions: Sequence[Function]) -> None:
        offered.append([one.name for one in functions])

    monkeypatch.setattr(Conversation, "offer_functions", offer)
    async with board.connected():
        await asyncio.sleep(0)
        assert offered == [["lamp"]]


async def test_a_type_of_several_leaves_the_argument_as_it_came(
    board: Board, dialog: Dialog
) -> None:
    schema = {"type": "object", "properties": {"level": {"type": ["integer", "null"]}}}
    calls = be_tool(board, schema=schema)
    call = ToolCall("call_1", "lamp", '{"level":3}', Command("tool_call", "[]"))
    board.host.perform(call)
    assert await dialog.answered() == ("call_1", {"ok": True})
    assert calls[0][3] == '{"level":3}'
