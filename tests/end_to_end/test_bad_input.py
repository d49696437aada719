"""Bad input from the first day: a clear Error, a log line, and a dialog that goes on.

Each test runs the real daemon against a cloud (or a board) that misbehaves
once, and ends with a whole turn: whatever happened, it recovered.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from mmid.dbus.failures import CallFailed
from mmid.simcloud.core.certificates import make_certificates
from tests.end_to_end.conftest import MakeBoard, one_turn
from tests.rig.board import Board
from tests.rig.listener import DEVICE, Listener

QUICK = """\
thinking_ms = 50
pace = 0
[[turn]]
transcript = "hello there you"
reply = "hi"
reply_wav = "{short}"
"""


def fault(when: str, do: str, nth: int = 1) -> str:
    return QUICK + f'[[fault]]\nwhen = "{when}"\nnth = {nth}\ndo = "{do}"\n'


async def turn_that_may_break(listener: Listener) -> None:
    """Press, speak long enough to be understood, release; any of it may find the cloud gone."""
    await listener.wait_for(".State", "listening")
    with suppress(CallFailed):
        await listener.call("StartSpeech")
        await listener.wait_for_any("AsrIncomplete", "Error")
        await listener.call("StopSpeech")


async def recovers(board: Board, listener: Listener) -> None:
    """A new client sees a dialog that listens, and a whole turn in it; nothing was spilt."""
    after = len(listener.heard)
    if await listener.state() != "listening":
        await listener.wait_for(".State", "listening", after=after - 1)
    await one_turn(listener)
    assert "Traceback" not in board.log()
    assert len(board.journal("register")) == 1


@pytest.mark.parametrize(
    ("when", "do"),
    [
        ("Started", "not-json"),
        ("Started", "invalid-utf8"),
        ("Thinking", "wrong-types"),
        ("Thinking", "huge-text"),
        ("Thinking", "invalid-utf8"),
    ],
)
async def test_nonsense_from_the_cloud_is_told_and_survived(
    make_board: MakeBoard, when: str, do: str
) -> None:
    board = await make_board(scenario=fault(when, do))
    listener = await board.start()
    if when == "Thinking":
        await turn_that_may_break(listener)
    await listener.wait_for("Error", "malformed-message")
    assert "the cloud sent" in board.log()
    await recovers(board, listener)


@pytest.mark.parametrize("when", ["Listening", "Thinking"])
async def test_stray_frames_are_ignored(make_board: MakeBoard, when: str) -> None:
    strays = ("odd-binary", "early-binary", "unknown-event")
    faults = [
        f'[[fault]]\nwhen = "{when}"\nnth = {nth}\ndo = "{do}"\n'
        for nth, do in enumerate(strays, start=1)
    ]
    board = await make_board(scenario=QUICK + "".join(faults))
    listener = await board.start()
    for turn in (1, 2, 3):
        await one_turn(listener)
        assert not listener.texts("Error")
        reply = board.directory / "heard" / f"reply-{turn:04d}.pcm"
        assert board.played() == reply.read_bytes()
    happened = [entry["do"] for entry in board.journal("fault")]
    assert happened == [*strays]


@pytest.mark.parametrize(
    ("when", "do"),
    [
        ("Start", "drop"),
        ("Started", "close:1011:try later"),
        ("Listening", "close:1000"),
        ("Listening", "drop"),
    ],
)
async def test_a_server_that_leaves_before_a_turn_is_called_again(
    make_board: MakeBoard, when: str, do: str
) -> None:
    board = await make_board(scenario=fault(when, do))
    listener = await board.start()
    await listener.wait_for("DataDeinit")
    await recovers(board, listener)


@pytest.mark.parametrize(
    "when", ["SendSpeech", "SpeechStarted", "StopSpeech", "Thinking", "Responding", "ReplyAudio"]
)
async def test_a_server_that_leaves_in_mid_turn_is_told_and_called_again(
    make_board: MakeBoard, when: str
) -> None:
    board = await make_board(scenario=fault(when, "drop"))
    listener = await board.start()
    await turn_that_may_break(listener)
    await listener.wait_for("Error", "connection-lost")
    await recovers(board, listener)
    names = listener.names()
    assert names.count("TtsStart") == names.count("TtsEnd")
    assert names.count("AsrStart") == names.count("AsrEnd")
    assert await listener.client.get("org.mmid1.Dialog", "Talker") == ""


@pytest.mark.parametrize(
    ("do", "code"),
    [
        ("task-failed:ResponseTimeout:too slow", "ResponseTimeout"),
        ("fatal:444:ClientAudioTimeout:no audio", "ClientAudioTimeout"),
        ("turn-error:500:InternalLLMError:sorry", "InternalLLMError"),
    ],
)
async def test_an_error_of_the_cloud_is_told_in_its_own_words(
    make_board: MakeBoard, do: str, code: str
) -> None:
    board = await make_board(scenario=fault("Thinking", do))
    listener = await board.start()
    await turn_that_may_break(listener)
    await listener.wait_for("Error", code)
    await recovers(board, listener)


async def test_an_error_that_waiting_cannot_mend_stops_until_somebody_connects(
    make_board: MakeBoard,
) -> None:
    board = await make_board(scenario=fault("Start", "fatal:421:InvalidParameter:voice"))
    listener = await board.start()
    await listener.wait_for("Error", "InvalidParameter")
    await listener.wait_for(".State", "offline")
    assert len(board.journal("connect")) == 1
    await listener.call("Connect")
    await recovers(board, listener)


async def test_a_wrong_authority_is_told_as_tls(make_board: MakeBoard, tmp_path: Path) -> None:
    other = make_certificates(tmp_path / "other")
    board = await make_board(settings={"cloud": {"ca_file": str(other.ca_file)}})
    listener = await board.start()
    told = await listener.wait_for("Error", "tls")
    assert "certificate" in told.values[1]
    assert not board.journal("register")


async def test_a_wrong_host_name_is_told_as_tls(make_board: MakeBoard) -> None:
    board = await make_board()
    await board.start_cloud()
    url = board.cloud["ws_url"].replace("127.0.0.1", "127.0.0.2")
    board.settings = {"cloud": {"ws_url": url}}
    await board.start_bus()
    listener = await board.listener()
    await board.start_mmid()
    told = await listener.wait_for("Error")
    assert told.values[0] in {"tls", "connection-lost"}


async def test_nothing_is_asked_before_the_kernel_says_that_the_clock_is_set(
    make_board: MakeBoard,
) -> None:
    board = await make_board(settings={"clock": {"require_sync": True}})
    listener = await board.start()
    if await listener.client.get(DEVICE, "ClockSynchronized"):
        await listener.wait_for(".State", "listening")  # this machine's clock is set
        return
    await board.until_logged("the clock is not set")
    assert await listener.state() == "connecting"
    assert not board.journal("register")
    assert not board.journal("connect")
    assert await board.stop("mmid") == 0


async def test_a_lost_answer_to_the_registration_ends_in_clear_words(
    make_board: MakeBoard,
) -> None:
    board = await make_board(scenario=fault("register", "lose"))
    listener = await board.start()
    refused = await listener.wait_for("Error", "100008")
    assert "Reset the device board-0001 in the console" in refused.values[1]
    assert await listener.client.get(DEVICE, "LicenseState") == "refused"
    error = await listener.client.get(DEVICE, "LicenseError")
    assert (error["code"], error["remedy"], error["next_attempt"]) == (
        "100008",
        "reset-in-console",
        0,
    )
    asked = len(board.journal("register"))
    with pytest.raises(AssertionError, match="waited in vain"):
        await listener.wait_for(".State", "listening", timeout_s=2)
    assert len(board.journal("register")) == asked


async def test_a_sound_card_that_is_not_there_refuses_the_press_and_nothing_else(
    make_board: MakeBoard,
) -> None:
    board = await make_board(scenario=QUICK, settings={"audio": {"capture_device": "hw:7"}})
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    with pytest.raises(CallFailed, match="hw:7"):
        await listener.call("StartSpeech")
    assert await listener.client.get("org.mmid1.Dialog", "Talker") == ""
    await listener.call("Ask", "s", "still there?")
    ended = await listener.wait_for("TtsEnd")
    await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))


async def test_a_loudspeaker_that_is_not_there_is_told_and_the_turn_ends(
    make_board: MakeBoard,
) -> None:
    board = await make_board(scenario=QUICK, settings={"audio": {"playback_device": "hw:7"}})
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "can you hear me?")
    await listener.wait_for("Error", "audio-device")
    ended = await listener.wait_for("TtsEnd")
    await listener.wait_for(".State", "listening", after=listener.heard.index(ended))


async def test_a_bus_that_dies_ends_the_daemon_with_a_word(make_board: MakeBoard) -> None:
    board = await make_board()
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    mmid = board.process("mmid")
    await board.stop("bus")
    async with asyncio.timeout(5):
        assert await mmid.wait() != 0
    assert "bus" in board.log()
    assert "Traceback" not in board.log()
