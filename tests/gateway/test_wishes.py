"""What programs want beyond one connection: another voice, and parameters that are told again."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mmid.errors import Busy, InvalidArgument, NotReady, Unsupported
from mmid.events import SpeechPrepare, State
from mmid.gateway import wishes
from mmid.gateway.wishes import Wishes
from mmid.session.clouds import with_own_rates
from mmid.settings import Cloud, Settings
from tests.gateway.board import ALICE, Board
from tests.rig.dialog_settings import dialog_settings

SOON_S = 0.01


class Dialog:
    """Takes what a conversation would be told."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.told: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
        self._refuses = refuses

    def update_info(
        self, client_status: Mapping[str, Any] | None = None, biz_params: Any = None
    ) -> None:
        if self._refuses:
            raise Unsupported("no")
        self.told.append((client_status or {}, biz_params))


def connect(board: Board, dialog: Dialog) -> Dialog:
    board.supervision.conversation = dialog  # type: ignore[assignment]
    board.host.on_ready()
    return dialog


async def test_a_voice_is_taken_up_over_another_connection_when_the_turn_is_over(
    board: Board,
) -> None:
    board.status.update(state=State.RESPONDING)
    board.gateway.set_voice("Tina")
    assert board.supervision.told == ["use Tina"]
    assert board.status.voice == "Tina"
    board.status.update(state=State.LISTENING, talker=ALICE)
    assert board.supervision.told == ["use Tina"]
    board.status.update(talker="")
    await asyncio.sleep(SOON_S)
    assert board.supervision.told == ["use Tina", "restart"]
    board.status.update(state=State.OFFLINE)
    board.status.update(state=State.LISTENING)
    await asyncio.sleep(SOON_S)
    assert board.supervision.told == ["use Tina", "restart"]


@pytest.mark.parametrize("lost", [True, False])
async def test_a_connection_that_is_made_with_the_voice_is_not_left_for_it(
    board: Board, *, lost: bool
) -> None:
    if lost:
        board.status.update(state=State.RESPONDING)
    board.gateway.set_voice("Tina")
    board.status.update(state=State.OFFLINE)
    board.status.update(state=State.LISTENING)
    await asyncio.sleep(SOON_S)
    assert board.supervision.told == ["use Tina"]


async def test_the_voice_that_is_set_changes_nothing(board: Board) -> None:
    board.gateway.set_voice("")
    assert board.supervision.told == []


async def test_a_voice_outlives_a_reload_unless_that_brings_another(board: Board) -> None:
    board.gateway.set_voice("Tina")
    settings = Settings(dialog=dialog_settings())
    board.gateway.use(settings)
    assert board.status.voice == "Tina"
    board.gateway.use(replace(settings, dialog=dialog_settings(voice="Cherry")))
    assert board.status.voice == "Cherry"
    assert [told for told in board.supervision.told if told.startswith("use")] == [
        "use Tina",
        "use Tina",
        "use Cherry",
    ]


@pytest.mark.parametrize("voice", ["x" * 65, "a\nb", "\x1b[31m"])
async def test_what_is_no_name_of_a_voice_is_refused(board: Board, voice: str) -> None:
    with pytest.raises(InvalidArgument, match="64"):
        board.gateway.set_voice(voice)
    assert board.supervision.told == []


async def test_a_voice_that_is_refused_uses_up_no_connection(board: Board) -> None:
    for _ in range(20):
        with pytest.raises(InvalidArgument):
            board.gateway.set_voice("a\nb")
    for number in range(10):
        board.gateway.set_voice(f"Cherry {number}")
    with pytest.raises(Busy, match="too often"):
        board.gateway.set_voice("Ethan")
    assert board.status.voice == "Cherry 9"


async def test_a_cloud_that_lets_nobody_choose_says_so(board: Board) -> None:
    baidu = Settings(cloud=Cloud(protocol="baidu-rtc"))
    wishes = Wishes(with_own_rates(baidu), board.status, board.supervision)
    with pytest.raises(Unsupported, match="part of the instance"):
        wishes.set_voice("Tina")
    assert (board.supervision.told, board.status.voice) == ([], "")


async def test_parameters_are_told_again_on_each_connection_until_they_are_forgotten(
    board: Board,
) -> None:
    first = connect(board, Dialog())
    board.gateway.update_info({"phone": {}}, {"a": 1, "b": 1})
    board.gateway.update_info({}, {"b": 2})
    assert first.told == [({"phone": {}}, {"a": 1, "b": 1}), ({}, {"b": 2})]
    assert connect(board, Dialog()).told == [({}, {"a": 1, "b": 2})]
    board.gateway.forget_info()
    assert connect(board, Dialog()).told == []


async def test_what_the_cloud_did_not_take_is_not_kept(board: Board) -> None:
    with pytest.raises(NotReady):
        board.gateway.update_info({}, {"a": 1})
    connect(board, Dialog(refuses=True))
    with pytest.raises(Unsupported):
        board.gateway.update_info({}, {"a": 1})
    assert connect(board, Dialog()).told == []


async def test_all_that_is_kept_is_bounded(board: Board) -> None:
    dialog = connect(board, Dialog())
    board.gateway.update_info({}, {"a": "x" * 60_000})
    with pytest.raises(InvalidArgument, match="ForgetInfo"):
        board.gateway.update_info({}, {"b": "x" * 60_000})
    assert len(dialog.told) == 1


async def test_a_connection_that_refuses_them_is_used_all_the_same(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    connect(board, Dialog())
    board.gateway.update_info({}, {"a": 1})
    connect(board, Dialog(refuses=True))
    assert "not told again: no" in caplog.text


async def test_the_turns_end_is_told_whole_before_the_connection_for_another_voice_is_left(
    board: Board,
) -> None:
    told: list[Any] = []
    board.status.observe(lambda changed: told.append(changed.get("state")))
    board.host.on_event = lambda event: told.append(type(event))
    async with board.connected():
        await board.reply()
        board.gateway.set_voice("Tina")
        board.wire.say("RespondingEnded")
        board.wire.state("Listening")
        await board.shows(State.OFFLINE)
    assert told[-3:] == [State.LISTENING, SpeechPrepare, State.OFFLINE]


async def test_a_question_that_the_cloud_has_yet_to_think_about_is_answered_before_a_new_voice(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wishes, "_LOOK_AGAIN_S", SOON_S)
    async with board.connected():
        board.gateway.ask("what is it")
        board.gateway.set_voice("Tina")
        await asyncio.sleep(4 * SOON_S)
        assert "restart" not in board.supervision.told
        board.wire.state("Listening")  # it was nothing
        await board.shows(State.OFFLINE)
        assert "restart" in board.supervision.told
        assert board.codes == []
