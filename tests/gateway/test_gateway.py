"""What a client asks for, put to the dialog and the board."""

import asyncio
import json
import time
from contextlib import suppress
from typing import cast

import pytest

from mmid.errors import (
    AudioDeviceFailed,
    Busy,
    InvalidArgument,
    NotReady,
    StorageFailed,
)
from mmid.events import SpeechStart
from mmid.session.effects import Effect, Moved
from mmid.session.license.record import DeviceRecord
from tests.gateway.board import ALICE, Board

# --- the dialog -----------------------------------------------------------------------------------


async def test_the_dialog_id_is_shown_and_kept(board: Board) -> None:
    async with board.connected():
        assert board.status.dialog_id == "dialog-1"
        assert board.status.connected
    await board.book.close()
    assert DeviceRecord.decode(board.store.payload or b"").dialog_id == "dialog-1"


async def test_a_new_dialog_forgets_the_old_one_and_begins_at_once(board: Board) -> None:
    async with board.connected():
        board.gateway.new_dialog()
        assert board.status.dialog_id == ""
        assert board.book.record.dialog_id == ""
        assert board.supervision.told == ["restart"]
        assert board.codes == []


@pytest.mark.parametrize("moment", ["talking", "responding"])
async def test_a_new_dialog_ends_a_turn_with_an_error(board: Board, moment: str) -> None:
    async with board.connected():
        if moment == "talking":
            board.gateway.start_speech(ALICE)
        else:
            await board.reply()
        board.gateway.new_dialog()
        assert len(board.codes) == 1


@pytest.mark.parametrize(("command", "kind"), [("ask", "prompt"), ("say", "transcript")])
async def test_ask_and_say_put_a_text_to_the_cloud(board: Board, command: str, kind: str) -> None:
    async with board.connected():
        getattr(board.gateway, command)("what is the time?")
        await board.wire.until("RequestToRespond")
        frame = json.loads(cast("str", board.wire.sent[-1]))
        asked = frame["payload"]["input"]
        assert (asked["type"], asked["text"]) == (kind, "what is the time?")


async def test_an_image_is_put_to_the_dialect_as_it_is(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, object]] = []

    def ask(text: str, now: float, *, images: object, biz_params: object = None) -> list[Effect]:
        assert biz_params is None
        asked.append((text, images))
        return []

    with pytest.raises(NotReady):
        board.gateway.ask_about_image("what is this?", b"a photograph")
    async with board.connected():
        monkeypatch.setattr(board.gateway._conversation().dialect, "ask", ask)
        board.gateway.ask_about_image("what is this?", b"a photograph")
    assert asked == [("what is this?", (b"a photograph",))]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("ask", ("what?",)),
        ("ask_about_image", ("what?", b"\xff\xd8\xff a photograph")),
        ("ask_with", ("", {"commands": []})),
        ("say", ("hello",)),
    ],
)
async def test_every_question_begins_a_turn_of_the_timeline(
    board: Board, command: str, arguments: tuple[object, ...]
) -> None:
    async with board.connected():
        getattr(board.gateway, command)(*arguments)
        assert len(board.gateway.timeline()) == 1


async def test_connect_and_disconnect_and_register_go_to_the_supervisor(board: Board) -> None:
    board.gateway.connect()
    board.gateway.disconnect()
    await board.gateway.register()
    assert board.supervision.told == ["connect", "disconnect", "register"]


@pytest.mark.parametrize("command", ["connect", "new_dialog", "register", "set_work_mode"])
async def test_a_storm_of_new_connections_is_refused_and_a_quick_finger_is_not(
    board: Board, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    now = 1000.0
    monkeypatch.setattr(board.gateway._loop, "time", lambda: now)

    async def taken(count: int) -> int:
        done = 0
        for _ in range(count):
            other = "tap2talk" if board.supervision.work_mode == "push2talk" else "push2talk"
            modes = [other] if command == "set_work_mode" else []
            with suppress(Busy):
                asked = getattr(board.gateway, command)(*modes)
                await (asked or asyncio.sleep(0))
                done += 1
        return done

    for _ in range(5):  # two taps in each second
        assert await taken(2) == 2
        now += 1.0
    assert await taken(300) <= 2
    told = len(board.supervision.told)
    with pytest.raises(Busy, match=r"too often; try again in [1-5] s"):
        await board.gateway.register()
    assert len(board.supervision.told) == told
    now += 60.0
    assert await taken(300) == 10


async def test_a_connect_that_changes_nothing_is_not_counted(board: Board) -> None:
    async with board.connected():
        for _ in range(100):
            board.gateway.connect()


async def test_a_connect_right_behind_a_disconnect_is_counted(board: Board) -> None:
    """The connection before says goodbye still, for up to 0.7 s."""
    async with board.connected() as conversation:
        conversation.leave()
        for _ in range(10):
            board.gateway.connect()
        with pytest.raises(Busy, match="too often"):
            board.gateway.connect()


async def test_reset_stops_erases_and_forgets_in_this_order(board: Board) -> None:
    board.status.update(dialog_id="of the record before")
    await board.gateway.reset()
    assert board.supervision.told == ["stop", "forget"]
    assert board.store.payload is None
    assert board.status.dialog_id == ""
    assert board.book.record == DeviceRecord()


async def test_a_reset_that_fails_says_so_and_forgets_nothing(board: Board) -> None:
    board.store.broken = True
    with pytest.raises(StorageFailed):
        await board.gateway.reset()
    assert board.book.record.app_id == "mm_01"
    assert "forget" not in board.supervision.told


# --- properties -----------------------------------------------------------------------------------


async def test_the_volume_is_the_mixers(board: Board) -> None:
    board.gateway.set_volume(30)
    board.gateway.set_muted(True)
    assert (board.status.volume, board.status.muted) == (30, True)
    assert (board.mixer.volume, board.mixer.muted) == (30, True)


@pytest.mark.parametrize("percent", [-1, 101, 2**32 - 1])
async def test_a_volume_out_of_range_is_refused(board: Board, percent: int) -> None:
    with pytest.raises(InvalidArgument, match=f"0 to 100, not {percent}"):
        board.gateway.set_volume(percent)
    assert board.mixer.volume == 100


async def test_a_card_that_refuses_changes_nothing(board: Board) -> None:
    board.mixer.broken = True
    with pytest.raises(AudioDeviceFailed):
        board.gateway.set_volume(30)
    with pytest.raises(AudioDeviceFailed):
        board.gateway.set_muted(True)
    assert (board.status.volume, board.status.muted) == (100, False)


async def test_a_work_mode_that_does_not_exist_is_refused(board: Board) -> None:
    with pytest.raises(InvalidArgument, match="push2talk, tap2talk, duplex, not 'walkie-talkie'"):
        board.gateway.set_work_mode("walkie-talkie")
    assert board.supervision.work_mode == "push2talk"
    assert board.supervision.told == []


async def test_another_work_mode_applies_by_another_connection(board: Board) -> None:
    async with board.connected():
        board.gateway.set_work_mode("tap2talk")
        assert board.supervision.work_mode == "tap2talk"
        assert board.status.dialog_id == "dialog-1", "the dialog goes on"
        assert board.supervision.told == ["set_work_mode", "restart"]
        assert board.codes == []


async def test_the_work_mode_that_is_set_already_disturbs_nobody(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.gateway.set_work_mode("push2talk")
        assert board.supervision.told == []
        assert board.status.talker == ALICE


async def test_a_change_of_the_work_mode_ends_a_turn_with_an_error(board: Board) -> None:
    async with board.connected():
        await board.reply()
        board.gateway.set_work_mode("duplex")
        assert board.codes == ["connection-lost"]


async def test_the_history_is_what_the_black_box_holds(board: Board) -> None:
    board.host.perform(Moved("listening", "Listening"))
    [(unix_ms, stage, cause)] = board.gateway.history()
    assert (stage, cause) == ("listening", "Listening")
    assert 0 <= time.time() * 1000 - unix_ms < 60_000


async def test_the_events_of_a_turn_reach_the_listener(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        assert board.events[-1] == SpeechStart()
