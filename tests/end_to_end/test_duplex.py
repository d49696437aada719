"""Talking into a reply: the loudspeaker is heard by the microphone, and the cloud must not hear it.

The whole board, in a room (``room_pcm.c``): what it plays comes back 30 ms later and 12 dB
less loud, with the room's answer. simcloud hears a voice by its loudness, each cloud in its own
dialect.
"""

import asyncio
import time
from pathlib import Path

import pytest

from demo.speech import speak, write_wav
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import AUDIO
from tests.end_to_end.conftest import MakeBoard
from tests.hal_linux.audio.echo.rehearsal import decibels
from tests.rig.board import PROTOCOLS, REPLY_HZ
from tests.rig.room import (
    RATE_HZ,
    STORY,
    RoomBoard,
    clock_of,
    silent_from,
    sounds_from,
    until_it_is,
)

SCENARIO = """\
thinking_ms = 100
pace = 2
pause_ms = 400
[[turn]]
reply_wav = "reply.wav"
[[turn]]
reply = "as you like"
reply_wav = "short.wav"
"""


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_reply_is_no_voice_and_whoever_talks_into_it_is_heard(
    make_board: MakeBoard, tmp_path: Path, protocol: str
) -> None:
    downlink_hz = REPLY_HZ[protocol]
    reply = speak(STORY, downlink_hz, tmp_path)
    write_wav(tmp_path / "reply.wav", reply, downlink_hz)
    write_wav(tmp_path / "short.wav", reply[: downlink_hz // 2], downlink_hz)
    voice = speak("Stop, please, that is enough.", RATE_HZ, tmp_path)
    settings = {
        "dialog": {"work_mode": "duplex"},
        "audio": {"echo_canceller": "speex"},
    }
    board = await make_board(
        scenario=SCENARIO, settings=settings, protocol=protocol, kind=RoomBoard
    )
    assert isinstance(board, RoomBoard)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    async with clock_of(board) as started:
        board.say(voice)
        await listener.wait_for("TtsStart")
        await until_it_is(listener, "on")
        await asyncio.sleep(2)  # of the reply, in which nobody talks
        assert len(board.journal("speech-begin")) == 1, "the reply was heard as a voice"
        quiet = time.monotonic() - 0.2
        board.say(voice)
        restarted = await listener.wait_for("SpeechRestart")
        await listener.wait_for("TtsStart", after=listener.heard.index(restarted))
    heard = board.journal("speech-begin")[1]["t"]
    talked = sounds_from(board.said(), int((quiet - started[0]) * RATE_HZ))
    assert heard - (started[0] + talked / RATE_HZ) < 0.3
    silent = silent_from(board.sounded(), int((heard - started[0]) * RATE_HZ))
    assert started[0] + silent / RATE_HZ - heard < 0.2
    assert await listener.client.get(AUDIO, "RecorderOverruns") == 0


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
