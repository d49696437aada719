"""The second cloud through the real daemon: a program on the bus does not notice which it is."""

import asyncio
import json
import re
import time
from pathlib import Path

import pytest

from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import DEVICE
from tests.end_to_end.conftest import (
    INTERRUPTION,
    LONG_REPLY,
    MICROPHONE,
    QUICK,
    SENTENCE,
    MakeBoard,
    refusals,
    squeezed,
)
from tests.rig.listener import DIALOG, Listener

PROTOCOL = "qwen-realtime"

# DataInit is before it: with a key that is at hand, too early for a client of these tests.
GOLDEN = [
    *("SpeechReady", "SpeechPrepare"),
    *("SpeechStart", "AsrStart", "AsrComplete", "AsrEnd"),
    *("TtsStart", "LlmIncomplete", "LlmComplete", "TtsEnd"),
    *("SpeechPrepare", "DataDeinit"),
]

CALLING = QUICK + 'tool_calls = [{ name = "lamp", arguments = { on = true } }]\n'


async def one_turn(listener: Listener) -> None:
    """Press, speak, release, hear the reply out."""
    await listener.wait_for(".State", "listening")
    start = len(listener.heard)
    await listener.call("StartSpeech")
    await asyncio.sleep(0.4)  # how long a person speaks
    await listener.call("StopSpeech")
    told = await listener.wait_for("LlmComplete", after=start)
    await listener.wait_for("SpeechPrepare", after=listener.heard.index(told))


async def test_a_whole_dialog_is_told_in_the_order_and_whole_in_both_directions(
    make_board: MakeBoard,
) -> None:
    board = await make_board(protocol=PROTOCOL, scenario=QUICK)
    listener = await board.start()
    await one_turn(listener)
    usage = await listener.client.get(DIALOG, "Usage")
    device = await listener.client.get_all(DEVICE)
    assert await board.stop("mmid") == 0
    await listener.wait_for("DataDeinit")
    assert squeezed(listener.names())[-len(GOLDEN) :] == GOLDEN
    heard = (board.directory / "heard" / "speech-0001.pcm").read_bytes()
    assert len(heard) > 16000 * 2 * 0.3
    assert heard == MICROPHONE[: len(heard)]
    assert board.played() == (board.directory / "heard" / "reply-0001.pcm").read_bytes()
    assert usage["estimated_input_tokens"] == 13  # a second at least
    assert usage["input_tokens"] >= 13
    assert 0.3 < usage["input_audio_s"] < 1
    assert device["Cloud"] == PROTOCOL
    assert (device["LicenseMode"], device["LicenseState"]) == ("api-key", "authorized")
    assert refusals(board) == []
    assert not board.journal("register")
    assert not board.journal("token")


async def test_the_next_start_is_another_session_and_writes_nothing_to_flash(
    make_board: MakeBoard,
) -> None:
    board = await make_board(protocol=PROTOCOL, scenario=QUICK)
    listener = await board.start()
    await one_turn(listener)
    session = await listener.client.get(DIALOG, "DialogId")
    await board.stop("mmid")
    await board.start_mmid()
    again = await board.listener()
    await again.wait_for(".State", "listening")
    other = await again.client.get(DIALOG, "DialogId")
    assert session.startswith("sess_")
    assert other not in {"", session}
    assert not (board.directory / "device.bin").exists()


async def test_in_tap2talk_the_cloud_hears_the_end_of_the_speech(make_board: MakeBoard) -> None:
    settings = {"dialog": {"work_mode": "tap2talk"}}
    board = await make_board(
        protocol=PROTOCOL, scenario=QUICK, settings=settings, microphone=SENTENCE
    )
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("StartSpeech")
    await listener.wait_for("TtsEnd", timeout_s=40)
    assert await listener.client.get(DIALOG, "Talker") == ""
    assert "AsrIncomplete" in listener.names()
    speech = (board.directory / "heard" / "speech-0001.pcm").read_bytes()
    assert speech[: 16000 * 2] == SENTENCE[: 16000 * 2]
    assert refusals(board) == []


async def test_in_duplex_a_voice_silences_the_reply(make_board: MakeBoard) -> None:
    settings = {"dialog": {"work_mode": "duplex"}}
    board = await make_board(
        protocol=PROTOCOL,
        scenario=LONG_REPLY,
        settings=settings,
        microphone=INTERRUPTION,
    )
    listener = await board.start()
    started = await listener.wait_for("TtsStart")
    silenced = await listener.wait_for("SpeechRestart")
    voice = board.journal("speech-begin")[1]["t"]
    assert silenced.at - voice < 0.3
    await listener.wait_for("LlmComplete", after=listener.heard.index(silenced))
    assert len(board.played()) / 2 / 24000 < voice - started.at + 0.6
    assert refusals(board) == []


async def test_a_press_during_the_reply_interrupts_it_and_is_heard_whole(
    make_board: MakeBoard,
) -> None:
    board = await make_board(protocol=PROTOCOL, scenario=LONG_REPLY)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "tell me a story")
    started = await listener.wait_for("TtsStart")
    await listener.call("StartSpeech")
    restarted = await listener.wait_for("SpeechRestart", after=listener.heard.index(started))
    await asyncio.sleep(0.4)  # how long a person speaks
    await listener.call("StopSpeech")
    await listener.wait_for("LlmComplete", after=listener.heard.index(restarted))
    heard = (board.directory / "heard" / "speech-0001.pcm").read_bytes()
    assert heard == MICROPHONE[: len(heard)]
    assert refusals(board) == []


async def test_a_function_is_called_and_a_program_answers_it(
    make_board: MakeBoard, tmp_path: Path
) -> None:
    tools = tmp_path / "tools.json"
    tools.write_text('[{"type": "function", "function": {"name": "lamp"}}]')
    settings = {"qwen": {"tools_file": str(tools)}}
    board = await make_board(protocol=PROTOCOL, scenario=CALLING, settings=settings)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "turn on the lamp")
    command = await listener.wait_for("Command", "tool_call")
    call = {one["name"]: one["value"] for one in json.loads(command.values[1])}
    assert (call["function"], json.loads(call["arguments"])) == ("lamp", {"on": True})
    with pytest.raises(CallFailed) as caught:
        await listener.call("ToolResult", "ss", "another", "{}")
    assert caught.value.name == "org.mmid1.Error.InvalidArgument"
    await listener.call("ToolResult", "ss", call["id"], '{"on": true}')
    await listener.wait_for("TtsEnd")
    (result,) = board.journal("tool-result")
    assert (result["id"], result["output"]) == (call["id"], '{"on": true}')
    assert refusals(board) == []


async def test_a_refused_key_waits_for_register_and_says_what_to_do(
    make_board: MakeBoard,
) -> None:
    settings = {"license": {"api_key": "sk-0123456789abcdef0123456789abcdef"}}
    board = await make_board(protocol=PROTOCOL, settings=settings)
    listener = await board.start()
    await listener.wait_for("Error")
    device = await listener.client.get_all(DEVICE)
    assert device["LicenseState"] == "refused"
    assert device["LicenseError"]["remedy"] == "fix-settings"
    assert len(board.journal("rejected")) == 1
    before = len(listener.heard)
    await listener.client.call(DEVICE, "Register")
    await listener.wait_for("Error", after=before)
    assert len(board.journal("rejected")) == 2
    assert "sk-0123456789abcdef" not in board.log()


async def test_a_session_is_renewed_between_turns_and_a_press_of_that_moment_is_kept(
    make_board: MakeBoard,
) -> None:
    settings = {"qwen": {"session_life_s": 5}}
    board = await make_board(protocol=PROTOCOL, scenario=QUICK, settings=settings)
    listener = await board.start()
    await one_turn(listener)
    gone = await listener.wait_for("DataDeinit", timeout_s=10)
    await listener.call("StartSpeech")
    await listener.wait_for("SpeechStart", after=listener.heard.index(gone))
    await asyncio.sleep(0.3)  # how long a person speaks
    await listener.call("StopSpeech")
    await listener.wait_for("TtsEnd", after=listener.heard.index(gone))
    heard = (board.directory / "heard" / "speech-0002.pcm").read_bytes()
    assert heard == MICROPHONE[: len(heard)]
    assert "Error" not in listener.names()
    assert refusals(board) == []


async def test_an_idle_end_by_the_service_is_silent_and_heals(make_board: MakeBoard) -> None:
    scenario = QUICK + "\n[qwen-realtime]\nidle_s = 1.0\n"
    board = await make_board(protocol=PROTOCOL, scenario=scenario)
    listener = await board.start()
    ready = await listener.wait_for("SpeechReady")
    await listener.wait_for("SpeechReady", after=listener.heard.index(ready) + 1)
    assert "Error" not in listener.names()
    assert await listener.client.get(DIALOG, "LastError") == {}


async def test_a_board_without_a_key_is_given_one_by_the_relay_for_each_connection(
    make_board: MakeBoard,
) -> None:
    """The second connection is made when the key of the first has expired."""
    scenario = QUICK + "\n[qwen-realtime]\nkey_s = 2.0\n"
    board = await make_board(protocol=PROTOCOL, scenario=scenario)
    await board.start_cloud()
    board.settings = {"license": {"api_key": "", "token_url": board.cloud["qwen_token_url"]}}
    await board.start_bus()
    listener = await board.listener()
    await board.start_mmid()
    began = time.time()
    await listener.wait_for("SpeechReady", timeout_s=40)
    device = await listener.client.get_all(DEVICE)
    assert (device["LicenseMode"], device["LicenseState"]) == ("temporary-key", "authorized")
    assert began < device["TokenExpiry"] / 1000 < time.time() + 2
    await one_turn(listener)
    await asyncio.sleep(2.0)  # the key's life, by the cloud's clock
    await listener.call("Disconnect")
    gone = await listener.wait_for("DataDeinit")
    await listener.call("Connect")
    await listener.wait_for("SpeechReady", after=listener.heard.index(gone))
    assert {one["credential"] for one in board.journal("connect")} == {"temporary-key"}
    names = [one["device_name"] for one in board.journal("temporary-key")]
    assert names == ["board-0001", "board-0001"]
    assert "Error" not in listener.names()
    assert not board.journal("rejected")
    assert not re.search(r"\bst-\w", board.log())  # how simcloud's keys begin
