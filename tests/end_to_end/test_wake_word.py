"""The example of a wake word: a voice says it and asks without a pause, and is answered."""

import sys
from pathlib import Path

import pytest

from demo.speech import speak
from mmid.dbus.interface import AUDIO
from tests.end_to_end.conftest import QUICK, MakeBoard
from tests.rig.board import silence
from tests.rig.examples import EXAMPLES
from tests.rig.processes import Process

RATE_HZ = 16000

pytest.importorskip("pymicro_wakeword", reason="the example needs pymicro-wakeword")


async def test_whoever_says_the_word_and_asks_at_once_is_understood_whole(
    make_board: MakeBoard, tmp_path: Path
) -> None:
    word, question = (speak(said, RATE_HZ, tmp_path) for said in ("alexa", "what time is it?"))
    microphone = silence(1.5) + word + question + silence(60)
    settings = {"dialog": {"work_mode": "tap2talk"}}
    board = await make_board(scenario=QUICK, settings=settings, microphone=microphone)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    example = Process(
        [sys.executable, str(EXAMPLES / "wake_word.py")],
        tmp_path / "wake_word.log",
        {"DBUS_SYSTEM_BUS_ADDRESS": board.bus},
    )
    await example.start()
    await example.first_line()
    assert len(await listener.client.get(AUDIO, "Listeners")) == 1
    await listener.wait_for("TtsEnd")
    speech = (board.directory / "heard" / "speech-0001.pcm").read_bytes()
    began = microphone.find(speech)
    assert 0 <= began <= len(silence(1.5) + word), "the question is whole"
    assert began + len(speech) > len(silence(1.5) + word + question)
    await example.stop()
    await listener.wait_for(".Listeners", [])
    assert await listener.client.get(AUDIO, "ListenerDroppedBytes") == 0
    assert "a press because of wake-word" in board.log()
