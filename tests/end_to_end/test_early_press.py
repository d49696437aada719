"""A press while mmid connects, through the real daemon."""

import asyncio

import pytest

from mmid.dbus.failures import CallFailed
from tests.end_to_end.conftest import MICROPHONE, MakeBoard
from tests.rig.board import PROTOCOLS
from tests.rig.listener import DIALOG

# The cloud takes its time until it listens.
SLOW = """\
thinking_ms = 50
pace = 0
[[fault]]
when = "Started"
do = "delay:{delay_ms}"
[[turn]]
reply = "yes"
reply_wav = "{short}"
"""


async def test_what_is_said_while_it_connects_reaches_the_cloud_from_the_first_sample(
    make_board: MakeBoard,
) -> None:
    board = await make_board(
        scenario=SLOW.replace("{delay_ms}", "1000"), settings={"dialog": {"press_wait_s": 5.0}}
    )
    listener = await board.start()
    await listener.wait_for(".State", "connecting")
    before = len(listener.heard)
    accepted = asyncio.create_task(listener.call("StartSpeech"))
    await listener.wait_for(".Talker", after=before)
    assert not accepted.done()
    assert await listener.state() == "connecting"
    await accepted
    await listener.wait_for("AsrIncomplete")
    await listener.call("StopSpeech")
    await listener.wait_for("TtsEnd")
    speech = (board.directory / "heard" / "speech-0001.pcm").read_bytes()
    assert speech == MICROPHONE[: len(speech)]


async def test_a_press_that_nobody_can_take_in_time_is_refused(make_board: MakeBoard) -> None:
    board = await make_board(
        scenario=SLOW.replace("{delay_ms}", "60000"), settings={"dialog": {"press_wait_s": 0.3}}
    )
    listener = await board.start()
    await listener.wait_for(".State", "connecting")
    with pytest.raises(CallFailed, match=r"no dialog was ready within 0\.3 s") as caught:
        await listener.call("StartSpeech")
    assert caught.value.name == "org.mmid1.Error.NotReady"
    assert await listener.client.get(DIALOG, "Talker") == ""


# A frame of the third cloud is 20 ms at least, so silence may fill the last one up.
FILLED_BYTES = 640

QUICK = SLOW.replace('[[fault]]\nwhen = "Started"\ndo = "delay:{delay_ms}"\n', "")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_board_that_left_because_nobody_talked_comes_back_for_a_press_and_a_question(
    make_board: MakeBoard, protocol: str
) -> None:
    settings = {"dialog": {"idle_disconnect_s": 0.3, "press_wait_s": 5.0}}
    board = await make_board(scenario=QUICK, settings=settings, protocol=protocol)
    listener = await board.start()
    await listener.wait_for("DataDeinit")
    await listener.call("StartSpeech")
    await listener.wait_for("SpeechStart")
    await asyncio.sleep(0.3)  # how long a person speaks
    await listener.call("StopSpeech")
    ended = await listener.wait_for("TtsEnd")
    heard = (board.directory / "heard" / "speech-0001.pcm").read_bytes()
    speech = heard[:-FILLED_BYTES]
    assert speech == MICROPHONE[: len(speech)], "from the first sample on"
    left = await listener.wait_for("DataDeinit", after=listener.heard.index(ended))
    await listener.call("Ask", "s", "are you there?")
    await listener.wait_for("TtsEnd", after=listener.heard.index(left))
    assert "Error" not in listener.names()
    assert "nobody has talked for 0.3 s" in board.log()
