"""Talking into a reply: the loudspeaker is heard by the microphone, and the cloud must not hear it.

The whole board, in a room (``room_pcm.c``): what it plays comes back 30 ms later and 12 dB
less loud, with the room's answer. simcloud hears a voice by its loudness, each cloud in its own
dialect.
"""

import asyncio
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.speech import speak, write_wav
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import AUDIO
from tests.end_to_end.conftest import MakeBoard
from tests.hal_linux.audio.echo.rehearsal import decibels
from tests.rig.alsa_plugin import compile_plugin
from tests.rig.board import PROTOCOLS, REPLY_HZ, Board
from tests.rig.listener import WAIT_S, Listener

RATE_HZ = 16000

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
STORY = (
    "Once upon a time there was a fox who walked through the forest every morning to see what "
    "the weather would be like. In the winter there was snow, in the summer the sun came out "
    "between the trees, and in the evening a light wind blew from the west. "
)


class RoomBoard(Board):
    """A board whose microphone hears its loudspeaker, and who talks."""

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, **options)
        plugin = compile_plugin("room_pcm.c", directory)
        files = f'talker "{directory}/talker" trace "{directory}/trace"'
        room = f"{{{{ type room delay_ms 30 gain 25 noise 3 rt60_ms 100 {files} }}}}"
        pcms = f"pcm.microphone {room}\npcm.loudspeaker {room}\n"
        self.asound = f'pcm_type.room {{{{ lib "{plugin}" }}}}\n{pcms}'

    def say(self, voice: bytes) -> None:
        """Have it said in the room, now."""
        with (self.directory / "talker").open("ab") as talker:
            talker.write(voice)

    def recorded(self) -> int:
        """How many frames the microphone has recorded."""
        trace = self.directory / "trace"
        return trace.stat().st_size // 4 if trace.exists() else 0

    def sounded(self) -> "array[int]":
        """Return what the loudspeaker played, by the microphone's clock."""
        data = (self.directory / "trace").read_bytes()
        return array("h", data[: len(data) // 4 * 4])[::2]


@asynccontextmanager
async def clock_of(board: RoomBoard) -> AsyncIterator[list[float]]:
    """Find out when the microphone recorded its first frame: the list's first is the least."""
    started: list[float] = [time.monotonic()]

    async def look() -> None:
        while True:
            began = time.monotonic() - board.recorded() / RATE_HZ
            started[0] = min(started[0], began)
            await asyncio.sleep(0.005)

    looking = asyncio.create_task(look())
    yield started
    looking.cancel()


async def until_it_is(listener: Listener, state: str) -> None:
    """Wait for a state of the echo canceller."""
    async with asyncio.timeout(WAIT_S):
        after = 0
        while True:
            told = await listener.wait_for(".EchoCancellation", after=after)
            if told.values[0]["state"] == state:
                return
            after = listener.heard.index(told) + 1


def silent_from(samples: "array[int]", begin: int) -> int:
    """Return from which index on, at ``begin`` or later, a fifth of a second is silent."""
    for at in range(begin, len(samples), RATE_HZ // 1000):
        if not any(abs(sample) > 30 for sample in samples[at : at + RATE_HZ // 5]):
            return at
    raise AssertionError("the loudspeaker was never silent")


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
        talked = time.monotonic()
        board.say(voice)
        restarted = await listener.wait_for("SpeechRestart")
        await listener.wait_for("TtsStart", after=listener.heard.index(restarted))
    heard = board.journal("speech-begin")[1]["t"]
    assert heard - talked < 0.3
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
