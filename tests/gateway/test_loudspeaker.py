"""What of a reply is heard, and what the dialog learns of it."""

import asyncio

import pytest

from mmid.errors import AudioDeviceFailed, AudioFormatRefused
from mmid.events import Error, TtsEnd
from mmid.session.effects import SetLoudness
from tests.gateway.board import Board


async def test_a_loudspeaker_that_does_not_open_ends_the_turn_all_the_same(
    board: Board,
) -> None:
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
        board.host.loudspeaker.player_failed(AudioDeviceFailed("loudspeaker was pulled out"))
        assert board.codes == ["audio-device"]
        assert board.status.player_underruns == 2
        board.wire.say("RespondingEnded")
        await board.wire.until("LocalRespondingEnded")


async def test_sound_that_cannot_be_played_is_told_and_the_turn_goes_on(board: Board) -> None:
    async with board.connected():
        await board.reply()
        error = AudioFormatRefused("the reply has WAV")
        board.host.loudspeaker.player_refused(error)
        assert Error("audio-format", "the reply has WAV") in board.events
        assert board.status.last_error["code"] == "audio-format"
        board.wire.say("RespondingEnded")
        await board.until(lambda: TtsEnd() in board.events)
        board.player.drain()
        await board.wire.until("LocalRespondingEnded")


async def test_the_end_of_a_reply_is_when_it_was_heard(board: Board) -> None:
    async with board.connected():
        await board.reply()
        board.wire.audio(b"hello ")
        board.wire.audio(b"world!")
        board.wire.say("RespondingEnded")
        await board.until(lambda: TtsEnd() in board.events)
        assert board.player.played == b"hello world!"
        assert board.player.finishing
        board.host.loudspeaker.player_started()
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


async def test_the_cloud_turns_the_loudspeaker(board: Board) -> None:
    board.host.perform(SetLoudness(volume=30, muted=True))
    assert (board.mixer.volume, board.mixer.muted) == (30, True)
    assert (board.status.volume, board.status.muted) == (30, True)
    board.host.perform(SetLoudness(change=-50, muted=False))
    assert (board.mixer.volume, board.mixer.muted) == (0, False)


@pytest.mark.parametrize("trouble", ["broken", "away"])
async def test_a_card_that_the_cloud_cannot_turn_is_told_and_the_dialog_goes_on(
    board: Board, trouble: str
) -> None:
    setattr(board.mixer, trouble, True)
    board.host.perform(SetLoudness(volume=30))
    assert board.codes == ["audio-device"]
    assert board.status.volume == 100
