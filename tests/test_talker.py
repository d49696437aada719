"""Who talks, from the press to the release, and what is said before the dialog is ready."""

from collections.abc import Callable

import pytest

from mmid.errors import (
    Busy,
    NotReady,
    NotTalking,
)
from mmid.events import State
from tests.board import ALICE, BOB, Board


async def test_the_microphone_is_lent_to_one_client(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        assert board.status.talker == ALICE
        with pytest.raises(Busy, match=rf"{ALICE} holds the microphone"):
            board.gateway.start_speech(BOB)
        for command in (board.gateway.stop_speech, board.gateway.cancel_speech):
            with pytest.raises(NotTalking, match=BOB):
                command(BOB)
        assert board.recorder.recording
        assert board.status.talker == ALICE


async def test_a_second_press_of_the_holder_changes_nothing(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.gateway.start_speech(ALICE)
        await board.wire.until("SendSpeech")
        assert board.wire.directives.count("SendSpeech") == 1


async def test_everything_from_the_press_to_the_release_is_sent_in_order(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.recorder.hear(b"first ")
        board.recorder.hear(b"second ")
        board.recorder.last_words = b"last!!"
        board.gateway.stop_speech(ALICE)
        await board.wire.until("StopSpeech")
        assert board.wire.speech == b"first second last!!"
        assert isinstance(board.wire.sent[-1], str)
        assert not board.recorder.recording
        assert board.status.talker == ""


async def test_a_cancelled_speech_is_taken_back(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.gateway.cancel_speech(ALICE)
        await board.wire.until("CancelSpeech")
        assert not board.recorder.recording
        assert board.status.talker == ""


async def test_a_client_that_leaves_the_bus_lets_go_at_once(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        open_after = {}
        for client in (BOB, ALICE):
            board.gateway.client_left(client)
            open_after[client] = board.recorder.recording
        assert open_after == {BOB: True, ALICE: False}
        assert board.status.talker == ""
        await board.wire.until("CancelSpeech")
        board.wire.state("Listening")
        await board.shows(State.LISTENING)
        board.gateway.start_speech(BOB)


async def test_a_release_after_the_cloud_ended_the_speech_is_no_error(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.wire.say("SpeechEnded")
        await board.until(lambda: not board.status.talker)
        assert not board.recorder.recording
        board.gateway.stop_speech(ALICE)
        with pytest.raises(NotTalking):
            board.gateway.stop_speech(BOB)
        assert "StopSpeech" not in board.wire.directives


async def test_a_release_after_the_connection_broke_is_no_error(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.wire.hang_up()
        await board.shows(State.OFFLINE)
        assert board.status.talker == ""
        assert not board.recorder.recording
        assert board.codes == ["connection-lost"]
        board.gateway.stop_speech(ALICE)


async def test_who_never_talked_cannot_stop(board: Board) -> None:
    async with board.connected():
        with pytest.raises(NotTalking):
            board.gateway.stop_speech(ALICE)


async def test_without_a_dialog_nothing_can_be_said(board: Board) -> None:
    commands: list[Callable[[], None]] = [
        lambda: board.gateway.start_speech(ALICE),
        board.gateway.interrupt,
        lambda: board.gateway.ask("what?"),
        lambda: board.gateway.say("this"),
    ]
    for command in commands:
        with pytest.raises(NotReady, match="no dialog is connected: offline"):
            command()
    assert not board.recorder.recording


async def test_nobody_can_ask_while_somebody_talks(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        with pytest.raises(Busy):
            board.gateway.ask("what?")
