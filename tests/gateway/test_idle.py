"""Leaving the cloud when nobody talks, and coming back for whoever does."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from mmid.errors import NotReady
from mmid.events import State
from tests.gateway.board import ALICE, Board
from tests.rig.virtual_time import VirtualTime

SOON_S = 0.02


@pytest.fixture(autouse=True)
async def _virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody leave because the machine is late."""
    VirtualTime([], monkeypatch).govern(asyncio.get_running_loop())


@pytest.fixture
async def idle() -> AsyncIterator[Board]:
    """A board that leaves soon."""
    made = Board(press_wait_s=5.0, idle_disconnect_s=SOON_S)
    await made.book.load()
    yield made
    await made.book.close()


async def rested(board: Board) -> None:
    async with asyncio.timeout(10):
        while "rest" not in board.supervision.told:  # noqa: ASYNC110 - a double tells nobody
            await asyncio.sleep(SOON_S / 4)


async def test_the_dialog_is_left_when_nobody_talks(idle: Board) -> None:
    async with idle.connected():
        await rested(idle)


async def test_a_press_puts_the_leaving_off(idle: Board) -> None:
    async with idle.connected():
        idle.gateway.start_speech(ALICE)
        await asyncio.sleep(4 * SOON_S)
        assert "rest" not in idle.supervision.told
        idle.gateway.cancel_speech(ALICE)
        idle.wire.state("Listening")
        await rested(idle)


async def test_a_reply_puts_the_leaving_off(idle: Board) -> None:
    async with idle.connected():
        idle.gateway.ask("what is it")
        idle.wire.state("Thinking")
        await idle.shows(State.THINKING)
        await asyncio.sleep(4 * SOON_S)
        assert "rest" not in idle.supervision.told


async def test_a_connection_that_is_renewed_puts_nothing_off(idle: Board) -> None:
    idle.status.update(state=State.RESPONDING)
    for state in (State.LISTENING, State.OFFLINE, State.CONNECTING, State.LISTENING):
        idle.status.update(state=state)
        await asyncio.sleep(SOON_S / 8)
    assert idle.supervision.told == []
    await asyncio.sleep(5 * SOON_S / 8)
    assert idle.supervision.told == ["rest"]


async def test_whoever_connects_after_a_long_rest_has_time_to_talk(idle: Board) -> None:
    await asyncio.sleep(4 * SOON_S)
    idle.status.update(state=State.LISTENING)
    await asyncio.sleep(SOON_S / 2)
    assert "rest" not in idle.supervision.told


async def test_in_duplex_it_stays(idle: Board) -> None:
    idle.supervision._work_mode = "duplex"
    async with idle.connected():
        await asyncio.sleep(4 * SOON_S)
    assert "rest" not in idle.supervision.told


async def test_it_stays_for_ever_unless_somebody_wants_it_to_leave(board: Board) -> None:
    async with board.connected():
        await asyncio.sleep(4 * SOON_S)
    assert "rest" not in board.supervision.told


async def test_a_question_waits_for_the_dialog_to_come_back(idle: Board) -> None:
    idle.supervision.hopeful = True
    asked = idle.gateway.ask("what is it")
    assert asked is not None
    waiting = asyncio.ensure_future(asked)
    await asyncio.sleep(0)
    assert idle.supervision.told == ["hurry"]
    async with idle.connected():
        await waiting
        await idle.wire.until("RequestToRespond")


async def test_a_question_in_the_moment_of_leaving_waits_for_the_dialog_to_come_back(
    idle: Board,
) -> None:
    idle.supervision.hopeful = True
    async with idle.connected() as conversation:
        conversation.leave()
        asked = idle.gateway.ask("what is it")
        assert asked is not None
        waiting = asyncio.ensure_future(asked)
    async with idle.connected():
        await waiting
        await idle.wire.until("RequestToRespond")


async def test_a_question_waits_so_long_and_no_longer() -> None:
    board = Board(press_wait_s=0.02, idle_disconnect_s=60.0)
    board.supervision.hopeful = True
    asked = board.gateway.ask("what is it")
    assert asked is not None
    with pytest.raises(NotReady, match=r"within 0\.02 s"):
        await asked


async def test_a_question_without_hope_or_where_nobody_leaves_is_refused_at_once(
    idle: Board, board: Board
) -> None:
    board.supervision.hopeful = True
    for one in (idle, board):
        with pytest.raises(NotReady, match="no dialog is connected"):
            one.gateway.ask("what is it")


async def test_a_question_that_the_cloud_has_yet_to_think_about_puts_the_leaving_off(
    idle: Board,
) -> None:
    async with idle.connected():
        idle.gateway.ask("what is it")
        assert idle.status.state is State.LISTENING
        await asyncio.sleep(4 * SOON_S)
        assert "rest" not in idle.supervision.told
        idle.wire.state("Listening")
        await rested(idle)
