"""Talking into a reply: the loudspeaker is heard by the microphone, and the cloud must not hear it.

The whole board, in a room (``room_pcm.c``): what it plays comes back 30 ms later and 12 dB
less loud, with the room's answer. simcloud hears a voice by its loudness, each cloud in its own
dialect. The figures of a voice in mid-reply are bench/barge_in.py's.
"""

import asyncio
from pathlib import Path

import pytest

from bench.barge_in import measure_barge_ins
from demo.speech import speak, write_wav
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import AUDIO
from tests.end_to_end.conftest import MakeBoard
from tests.hal_linux.audio.echo.rehearsal import decibels
from tests.rig.board import PROTOCOLS
from tests.rig.room import STORY, RoomBoard, until_it_is


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_reply_is_no_voice_and_whoever_talks_into_it_is_heard(protocol: str) -> None:
    [heard_ms], [silent_ms] = await measure_barge_ins(protocol, times=1)
    assert 0 < heard_ms < 300
    assert silent_ms < 200


async def test_a_prompt_is_heard_and_its_echo_is_no_voice_either(
    make_board: MakeBoard, tmp_path: Path
) -> None:
    write_wav(tmp_path / "story.wav", speak(STORY, 8000, tmp_path)[: 9 * 2 * 8000], 8000)
    settings = {
        "dialog": {"work_mode": "duplex"},
        "audio": {"echo_canceller": "speex"},
        "prompts": {"directory": str(tmp_path)},
    }
    board = await make_board(settings=settings, kind=RoomBoard)
    assert isinstance(board, RoomBoard)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    # The stream that never stops has the loudspeaker, which is for one only.
    await listener.client.call(AUDIO, "PlayPrompt", "s", "story.wav")
    await until_it_is(listener, "on")  # by nothing but the prompt
    begin = len(board.sounded())
    await asyncio.sleep(1.5)  # of the prompt
    with pytest.raises(CallFailed, match="in use"):
        await listener.client.call(AUDIO, "PlayPrompt", "s", "story.wav")
    assert decibels(board.sounded()[begin:].tobytes()) > 60
    assert not board.journal("speech-begin"), "the prompt was heard as a voice"
