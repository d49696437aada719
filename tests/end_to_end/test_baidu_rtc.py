"""The third cloud through the real daemon: dialogs in every mode, and one activation for ever."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mmid.dbus.interface import DEVICE
from mmid.simcloud.clouds import scenario_files
from tests.end_to_end.conftest import (
    INTERRUPTION,
    LONG_REPLY,
    MICROPHONE,
    QUICK,
    SENTENCE,
    MakeBoard,
    one_turn,
    refusals,
    squeezed,
)
from tests.rig.board import Board

PROTOCOL = "baidu-rtc"

GOLDEN = [
    *("SpeechReady", "SpeechPrepare"),
    *("SpeechStart", "AsrStart", "AsrIncomplete", "AsrComplete", "AsrEnd"),
    *("TtsStart", "LlmIncomplete", "LlmComplete", "TtsEnd"),
    *("SpeechPrepare", "DataDeinit"),
]

CALLING = QUICK + 'tool_calls = [{ name = "lamp", arguments = { on = true, room = "hall" } }]\n'


def first_speech(board: Board) -> bytes:
    """Return what the cloud heard first, without the silence that fills the last frame up."""
    return (board.directory / "heard" / "speech-0001.pcm").read_bytes().rstrip(b"\0")


async def test_a_whole_dialog_is_told_in_the_order_and_whole_in_both_directions(
    make_board: MakeBoard,
) -> None:
    board = await make_board(protocol=PROTOCOL, scenario=QUICK)
    listener = await board.start()
    await one_turn(listener)
    device = await listener.client.get_all(DEVICE)
    assert await board.stop("mmid") == 0
    await listener.wait_for("DataDeinit")
    assert squeezed(listener.names())[-len(GOLDEN) :] == GOLDEN
    heard = first_speech(board)
    assert len(heard) > 16000 * 2 * 0.2
    assert MICROPHONE.startswith(heard)
    assert board.played() == (board.directory / "heard" / "reply-0001.pcm").read_bytes()
    assert device["Cloud"] == PROTOCOL
    assert (device["LicenseMode"], device["LicenseState"]) == ("activation", "authorized")
    assert [one["known"] for one in board.journal("stop-instance")] == [True]
    assert board.journal("disconnect")[-1]["code"] == 1000
    assert refusals(board) == []
    assert board.cloud["baidu_license_key"] not in board.log()


@pytest.mark.parametrize("state_kept", [True, False])
async def test_the_next_start_costs_no_second_activation(
    make_board: MakeBoard, tmp_path: Path, state_kept: bool
) -> None:
    """Nor does one without the state directory: the record alone has the name."""
    board = await make_board(protocol=PROTOCOL, scenario=QUICK)
    state = tmp_path / "state"
    state.mkdir()
    board.environment["STATE_DIRECTORY"] = str(state)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await board.stop("mmid")
    assert list(state.iterdir()), "mmid keeps something there"
    if not state_kept:
        shutil.rmtree(state)
    await board.start_mmid()
    again = await board.listener()
    await again.wait_for(".State", "listening")
    (activation,) = board.activations()
    assert (activation["devId"], activation["connections"]) == ("board-0001", 2)
    assert len(board.journal("instance")) == 2


async def test_another_spelling_of_the_name_connects_to_nothing(make_board: MakeBoard) -> None:
    board = await make_board(protocol=PROTOCOL, scenario=QUICK)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await board.stop("mmid")
    board.settings = {"license": {"device_name": "BOARD-0001"}}
    before = len(board.journal("instance"))
    again = await board.listener()
    await board.start_mmid()
    await again.wait_for(".LastError")
    device = await again.client.get_all(DEVICE)
    assert device["LicenseError"]["remedy"] == "fix-settings"
    assert len(board.journal("instance")) == before
    assert [one["devId"] for one in board.activations()] == ["board-0001"]


@pytest.mark.parametrize(
    ("codec", "dialog", "rate_hz"),
    [
        ("raw", {"us_sample_rate": 8000, "ds_sample_rate": 8000}, 8000),
        ("opus", {"upstream_mode": "raw-opus", "downstream_mode": "raw-opus"}, 16000),
    ],
)
async def test_every_codec_carries_a_dialog(
    make_board: MakeBoard, codec: str, dialog: dict[str, Any], rate_hz: int
) -> None:
    scenario = 'thinking_ms = 50\npace = 0\n[[turn]]\nreply = "yes"\nreply_s = 0.3\n'
    board = await make_board(protocol=PROTOCOL, scenario=scenario, settings={"dialog": dialog})
    listener = await board.start()
    await one_turn(listener)
    assert await board.stop("mmid") == 0
    assert [one["codec"] for one in board.journal("instance")] == [codec]
    assert 0.3 < board.journal("speech-end")[0]["seconds"] < 5
    played_s = len(board.played()) / 2 / rate_hz
    assert 0.28 < played_s < 0.42  # a packet is filled up
    assert refusals(board) == []


async def test_in_tap2talk_the_cloud_hears_the_end_of_the_speech(make_board: MakeBoard) -> None:
    settings = {"dialog": {"work_mode": "tap2talk"}}
    board = await make_board(
        protocol=PROTOCOL, scenario=QUICK, settings=settings, microphone=SENTENCE
    )
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("StartSpeech")
    await listener.wait_for("TtsEnd")
    assert "AsrIncomplete" in listener.names()
    assert first_speech(board)[: 16000 * 2 - 2] == SENTENCE[: 16000 * 2 - 2]
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
    assert len(board.played()) / 2 / 16000 < voice - started.at + 0.6
    assert refusals(board) == []


async def test_a_press_during_the_reply_interrupts_it_and_is_heard_whole(
    make_board: MakeBoard,
) -> None:
    board = await make_board(protocol=PROTOCOL, scenario=LONG_REPLY)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "[E]:[LIC]:tell me a story")
    started = await listener.wait_for("TtsStart")
    await listener.call("StartSpeech")
    restarted = await listener.wait_for("SpeechRestart", after=listener.heard.index(started))
    await asyncio.sleep(0.4)  # how long a person speaks
    await listener.call("StopSpeech")
    await listener.wait_for("LlmComplete", after=listener.heard.index(restarted))
    assert MICROPHONE.startswith(first_speech(board))
    assert refusals(board) == []


async def test_a_function_is_called_and_a_program_answers_it(make_board: MakeBoard) -> None:
    board = await make_board(protocol=PROTOCOL, scenario=CALLING)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "turn on the lamp")
    command = await listener.wait_for("Command", "tool_call")
    call = {one["name"]: one["value"] for one in json.loads(command.values[1])}
    arguments = json.loads(call["arguments"])
    assert (call["function"], arguments) == ("lamp", {"on": True, "room": "hall"})
    await listener.call("ToolResult", "ss", call["id"], '{"on": true}')
    await listener.wait_for("TtsEnd")
    (result,) = board.journal("tool-result")
    assert result["id"] == call["id"]
    assert refusals(board) == []


@pytest.mark.parametrize("moment", ["SpeechAudio", "ReplyAudio"])
async def test_a_connection_lost_in_mid_turn_is_told_and_a_new_instance_heals_it(
    make_board: MakeBoard, moment: str
) -> None:
    fault = f'\n[[fault]]\nwhen = "{moment}"\nnth = 6\ndo = "drop"\n'
    board = await make_board(protocol=PROTOCOL, scenario=LONG_REPLY + fault)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("StartSpeech")
    await listener.wait_for("AsrIncomplete")
    if moment == "ReplyAudio":
        await listener.call("StopSpeech")
    lost = await listener.wait_for("Error", "connection-lost")
    healed = listener.heard.index(lost)
    names = listener.names()
    ended = "AsrEnd" if moment == "SpeechAudio" else "TtsEnd"
    assert ended in names[: names.index("Error")]
    await listener.wait_for(".State", "listening", after=healed)
    assert len(board.journal("instance")) == 2
    assert len(board.activations()) == 1
    assert refusals(board) == []


async def test_a_refused_licence_waits_for_register_and_burns_nothing(
    make_board: MakeBoard,
) -> None:
    scenario = QUICK + '\n[baidu-rtc]\nrefuse = "quota is used up"\n'
    board = await make_board(protocol=PROTOCOL, scenario=scenario)
    listener = await board.start()
    told = await listener.wait_for("Error")
    shown = await listener.wait_for(".LicenseState", "refused")
    assert listener.heard.index(shown) < listener.heard.index(told), "who hears it can read it"
    device = await listener.client.get_all(DEVICE)
    assert "quota is used up" in device["LicenseError"]["message"]
    before = len(listener.heard)
    await listener.call("Connect")
    again = await listener.wait_for("Error", after=before)
    assert len(board.journal("instance")) == 1
    before = listener.heard.index(again) + 1
    await listener.client.call(DEVICE, "Register")
    await listener.wait_for("Error", after=before)
    assert len(board.journal("instance")) == 2
    assert board.activations() == []


async def test_a_dialog_survives_what_clients_have_seen(make_board: MakeBoard) -> None:
    scenario = "pace = 0\n" + scenario_files()["baidu-oddities"].read_text()
    board = await make_board(protocol=PROTOCOL, scenario=scenario)
    listener = await board.start()
    await one_turn(listener)
    assert board.played() == (board.directory / "heard" / "reply-0001.pcm").read_bytes()
    assert refusals(board) == []
