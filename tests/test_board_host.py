"""What the dialog wants done on the board, and what the board tells it."""

import asyncio

import pytest

from mmid.errors import (
    AudioDeviceFailed,
)
from mmid.events import Error, TtsEnd
from tests.board import ALICE, BOB, Board

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
