"""What the dialog wants done on the board, and what the board tells it."""

import asyncio

import pytest

from mmid.errors import (
    AudioDeviceFailed,
)
from mmid.events import Error, SpeechPrepare, TtsEnd
from mmid.session.effects import Moved, StartRecorder, StopRecorder
from tests.gateway.board import ALICE, BOB, Board

# --- sound devices that fail ----------------------------------------------------------------------


async def test_a_microphone_that_does_not_open_leaves_no_lease_and_sends_nothing(
    board: Board,
) -> None:
    async with board.connected():
        board.recorder.broken = True
        with pytest.raises(AudioDeviceFailed, match="microphone is not there"):
            board.gateway.start_speech(ALICE)
        assert board.status.talker == ""
        board.recorder.broken = False
        board.gateway.start_speech(BOB)
        await board.wire.until("SendSpeech")
        assert board.wire.directives == ["Start", "SendSpeech"]


async def test_a_microphone_that_fails_in_mid_speech_is_told_and_the_speech_taken_back(
    board: Board,
) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.recorder.overruns = 3
        board.recorder.fail()
        await board.wire.until("CancelSpeech")
        assert Error("audio-device", "microphone was pulled out") in board.events
        assert board.status.talker == ""
        assert board.status.recorder_overruns == 3


async def test_a_loudspeaker_that_does_not_open_ends_the_turn_all_the_same(board: Board) -> None:
    async with board.connected():
        board.player.broken = True
        await board.reply()
        assert Error("audio-device", "loudspeaker is not there") in board.events
        board.wire.audio(bytes(4800))
        board.wire.say("RespondingEnded")
        await board.wire.until("LocalRespondingEnded")
        assert board.player.played == b""


async def test_a_loudspeaker_that_fails_in_mid_reply_ends_the_turn_all_the_same(
    board: Board,
) -> None:
    async with board.connected():
        await board.reply()
        board.player.underruns = 2
        board.host.player_failed(AudioDeviceFailed("loudspeaker was pulled out"))
        assert board.codes == ["audio-device"]
        assert board.status.player_underruns == 2
        board.wire.say("RespondingEnded")
        await board.wire.until("LocalRespondingEnded")


# --- the reply ------------------------------------------------------------------------------------


async def test_the_end_of_a_reply_is_when_it_was_heard(board: Board) -> None:
    async with board.connected():
        await board.reply()
        board.wire.audio(b"hello ")
        board.wire.audio(b"world!")
        board.wire.say("RespondingEnded")
        await board.until(lambda: TtsEnd() in board.events)
        assert board.player.played == b"hello world!"
        assert board.player.finishing
        board.host.player_started()
        await board.wire.until("LocalRespondingStarted")
        board.player.drain()
        await board.wire.until("LocalRespondingEnded")


async def test_an_interruption_silences_the_loudspeaker_at_once(board: Board) -> None:
    async with board.connected():
        await board.reply()
        board.gateway.interrupt()
        assert not board.player.playing
        await board.wire.until("RequestToSpeak")


async def test_the_network_waits_while_the_loudspeaker_is_full(board: Board) -> None:
    async with board.connected():
        await board.reply()
        board.player.room.clear()
        board.wire.audio(b"hello ")
        board.wire.audio(b"world!")
        waiting = asyncio.create_task(board.host.room())
        await asyncio.wait({waiting}, timeout=0.05)
        assert not waiting.done()
        assert board.player.played == b"hello "
        board.player.room.set()
        await waiting
        board.wire.say("RespondingEnded")
        await board.until(lambda: TtsEnd() in board.events)
        assert board.player.played == b"hello world!"


# --- what is lost and what is remembered -------------------------------------------------------


async def test_speech_that_the_network_is_too_slow_for_is_counted_and_told_once_a_speech(
    board: Board,
) -> None:
    async with board.connected():
        for speech in (1, 2):
            board.gateway.start_speech(ALICE)
            for _ in range(3):
                board.host.speech_dropped(3200)
            board.gateway.cancel_speech(ALICE)
            assert board.codes == ["network-slow"] * speech
            assert board.status.speech_dropped_bytes == speech * 9600
            board.wire.state("Listening")
            await board.wire.until("CancelSpeech")
            await board.until(lambda: isinstance(board.events[-1], SpeechPrepare))


async def test_every_move_of_the_dialog_is_in_the_black_box(board: Board) -> None:
    board.host.perform(Moved("talking", "start_speech"))
    board.host.perform(Moved("recognising", "stop_speech"))
    moves = [(one.state, one.cause) for one in board.black_box.transitions()]
    assert moves == [("talking", "start_speech"), ("recognising", "stop_speech")]


async def test_the_dialog_opens_the_microphone_itself_and_nobody_holds_it(board: Board) -> None:
    async with board.connected():
        board.host.perform(StartRecorder())
        assert board.recorder.recording
        assert board.status.talker == ""
        board.host.perform(StartRecorder())
        board.host.perform(StopRecorder())
        assert not board.recorder.recording


async def test_a_microphone_that_stays_away_is_told_once_and_again_after_it_worked(
    board: Board,
) -> None:
    board.recorder.broken = True
    for _ in range(3):
        board.host.perform(StartRecorder())
    assert board.codes == ["audio-device"]
    board.recorder.broken = False
    board.host.perform(StartRecorder())
    board.host.perform(StopRecorder())
    board.recorder.broken = True
    board.host.perform(StartRecorder())
    assert board.codes == ["audio-device"] * 2


async def test_a_device_that_nobody_served_for_long_stands_still(board: Board) -> None:
    board.recorder.overdue_s = board.player.overdue_s = 9.0  # a busy board
    assert board.host.standing_still() == ""
    board.player.overdue_s = 11.0
    assert board.host.standing_still() == "the loudspeaker"
    board.recorder.overdue_s = 11.0
    assert board.host.standing_still() == "the microphone"
