"""A press while mmid connects, through the real daemon."""

import asyncio

import pytest

from mmid.dbus.failures import CallFailed
from tests.end_to_end.conftest import MICROPHONE, MakeBoard
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
