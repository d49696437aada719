"""The main job, through the real daemon: what goes in comes out, whole and in order."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import DIALOG
from mmid.gateway.timeline import Moment
from mmid.hal_linux.storage import open_store
from mmid.session.license.record import DeviceRecord
from tests.end_to_end.conftest import MICROPHONE, MakeBoard, one_turn
from tests.rig.board import Board
from tests.rig.processes import Process, python

GOLDEN = [
    *("DataInit", "SpeechReady", "SpeechPrepare"),
    *("SpeechStart", "AsrStart", "AsrIncomplete", "AsrComplete", "AsrEnd"),
    *("TtsStart", "LlmIncomplete", "LlmComplete", "TtsEnd"),
    *("SpeechPrepare", "DataDeinit"),
]

LONG_REPLY = """\
thinking_ms = 50
pace = 1.5
[[turn]]
transcript = "tell me a story"
reply = "once upon a time there was a board that could speak, and it spoke for a long while"
"""


def squeezed(names: list[str]) -> list[str]:
    """Join runs of one name: how often a text is repeated is the cloud's business."""
    return [name for index, name in enumerate(names) if [name] != names[index - 1 : index]]


def heard(board: Board, number: int) -> bytes:
    return (board.directory / "heard" / f"speech-{number:04d}.pcm").read_bytes()


def sent(board: Board, number: int) -> bytes:
    return (board.directory / "heard" / f"reply-{number:04d}.pcm").read_bytes()


async def test_a_dialog_is_told_in_order_and_its_sound_is_whole_in_both_directions(
    make_board: MakeBoard,
) -> None:
    board = await make_board()
    listener = await board.start()
    for turn in (1, 2):
        await one_turn(listener)
        speech, reply = heard(board, turn), sent(board, turn)
        assert len(speech) > 640
        # The sound card's file begins anew whenever the microphone is opened.
        assert speech == MICROPHONE[: len(speech)], "from the first sample on"
        assert len(reply) > 10_000
        assert board.played() == reply
    assert await board.stop("mmid") == 0
    await listener.wait_for("DataDeinit")
    assert squeezed(listener.names()) == [*GOLDEN[:-1], *GOLDEN[3:]]


async def test_the_device_registers_once_and_for_ever(make_board: MakeBoard) -> None:
    board = await make_board()
    await one_turn(await board.start())
    for _ in range(2):
        await board.stop("mmid")
        await board.start_mmid()
        listener = await board.listener()
        await listener.wait_for(".State", "listening")
    assert len(board.journal("register")) == 1
    assert await listener.client.get("org.mmid1.Device", "Registered") is True


async def test_the_next_start_goes_on_with_the_same_dialog(make_board: MakeBoard) -> None:
    board = await make_board()
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    dialog_id = await listener.client.get("org.mmid1.Dialog", "DialogId")
    await board.stop("mmid")
    await board.start_mmid()
    again = await board.listener()
    await again.wait_for(".State", "listening")
    assert await again.client.get("org.mmid1.Dialog", "DialogId") == dialog_id


async def test_a_press_during_the_reply_loses_no_syllable(make_board: MakeBoard) -> None:
    slow_permission = LONG_REPLY + '[[fault]]\nwhen = "RequestToSpeak"\ndo = "delay:400"\n'
    board = await make_board(scenario=slow_permission)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("StartSpeech")
    await listener.wait_for("AsrIncomplete")
    await listener.call("StopSpeech")
    await listener.wait_for("TtsStart")
    await listener.call("StartSpeech")
    restarted = await listener.wait_for("SpeechRestart")
    await listener.wait_for("AsrIncomplete", after=listener.heard.index(restarted))
    await listener.call("StopSpeech")
    await listener.wait_for("AsrComplete", after=listener.heard.index(restarted))
    speech = heard(board, 2)
    assert len(speech) > 16000 * 2 * 0.4  # what was said before the permission is there
    assert speech == MICROPHONE[: len(speech)]
    names = squeezed(listener.names())
    assert names.index("TtsEnd") < names.index("SpeechRestart")


async def test_interrupt_silences_the_reply_and_listens_again(make_board: MakeBoard) -> None:
    board = await make_board(scenario=LONG_REPLY)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "tell me a story")
    started = await listener.wait_for("TtsStart")
    after = listener.heard.index(started)
    await listener.call("Interrupt")
    await listener.wait_for("TtsEnd", after=after)
    await listener.wait_for(".State", "listening", after=after)
    directives = [entry["name"] for entry in board.journal("directive")]
    assert "RequestToSpeak" in directives
    assert "LocalRespondingEnded" not in directives
    await one_turn(listener)


async def test_ask_and_say_are_answered_without_a_microphone(make_board: MakeBoard) -> None:
    board = await make_board()
    listener = await board.start()
    for member in ("Ask", "Say"):
        await listener.wait_for(".State", "listening")
        start = len(listener.heard)
        await listener.call(member, "s", "what time is it")
        ended = await listener.wait_for("TtsEnd", after=start)
        await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))
    assert not board.journal("speech-begin")
    assert listener.texts("LlmComplete")


async def test_the_microphone_has_one_holder(make_board: MakeBoard) -> None:
    board = await make_board()
    first = await board.start()
    second = await board.listener()
    await first.wait_for(".State", "listening")
    await first.call("StartSpeech")
    with pytest.raises(CallFailed, match="holds the microphone") as refused:
        await second.call("StartSpeech")
    assert refused.value.name == "org.mmid1.Error.Busy"
    with pytest.raises(CallFailed) as refused:
        await second.call("StopSpeech")
    assert refused.value.name == "org.mmid1.Error.NotTalking"
    before = len(second.heard)
    await first.call("CancelSpeech")
    await second.wait_for(".Talker", "", after=before)
    await second.call("StartSpeech")
    await second.call("StopSpeech")


async def test_the_microphone_of_a_killed_client_is_released_at_once(
    make_board: MakeBoard, tmp_path: Path
) -> None:
    board = await make_board()
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    talker = Process(
        python("mmid.cli.mmictl", "--bus", board.bus, "talk", "--seconds", "30"),
        tmp_path / "mmictl.log",
    )
    await talker.start()
    held = await listener.wait_for("SpeechStart")
    after = listener.heard.index(held)
    await talker.stop(signal.SIGKILL)
    await listener.wait_for(".Talker", "", after=after)
    await listener.wait_for("SpeechPrepare", after=after)
    await listener.call("StartSpeech")


async def test_a_client_is_told_when_no_dialog_is_connected(make_board: MakeBoard) -> None:
    board = await make_board(settings={"cloud": {"ws_url": "wss://127.0.0.1:9/"}})
    listener = await board.start()
    with pytest.raises(CallFailed) as refused:
        await listener.call("StartSpeech")
    assert refused.value.name == "org.mmid1.Error.NotReady"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_in_mid_reply_says_stop_and_ends_within_two_seconds(
    make_board: MakeBoard, signum: signal.Signals
) -> None:
    board = await make_board(scenario=LONG_REPLY)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "tell me a story")
    await listener.wait_for("TtsStart")
    async with asyncio.timeout(2):
        assert await board.stop("mmid", signum) == 0
    assert board.journal("directive")[-1]["name"] == "Stop"
    assert "Traceback" not in board.log()


async def test_no_secret_reaches_the_log_or_the_bus_even_when_the_wire_is_logged(
    make_board: MakeBoard,
) -> None:
    board = await make_board(settings={"log": {"level": "debug", "wire": True}})
    listener = await board.start()
    await one_turn(listener)
    introspectable = [
        await listener.client.get_all(f"org.mmid1.{name}") for name in ("Dialog", "Device", "Audio")
    ]
    await board.stop("mmid")
    payload = open_store(f"file:{board.directory}/device.bin").load()
    assert payload is not None
    device_secret = DeviceRecord.decode(payload).device_secret.reveal()
    assert len(device_secret) == 32
    said = board.log() + repr(listener.heard) + repr(introspectable)
    assert "wire" in said
    for secret in (board.cloud["app_secret"], board.cloud["api_key"], device_secret):
        assert secret not in said
    assert "Bearer" not in said
    assert not re.search(r"st-[0-9a-f]{32}", said)


async def test_the_timeline_tells_where_the_time_of_a_turn_went(make_board: MakeBoard) -> None:
    board = await make_board()
    listener = await board.start()
    await one_turn(listener)
    [[turn]] = await listener.client.call(DIALOG, "GetTimeline")
    assert set(turn) == {"began", *(moment.value for moment in Moment)}
    assert turn["audio-sent"] < turn["release"] < turn["final-text"] < turn["reply-audio"]
    assert turn["reply-audio"] <= turn["heard"] < turn["end"]


async def test_a_hangup_reads_the_settings_again_and_the_dialog_goes_on(
    make_board: MakeBoard,
) -> None:
    board = await make_board()
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    config = board.directory / "mmid.toml"
    config.write_text(config.read_text() + '[log]\nlevel = "debug"\n')
    os.kill(board.process("mmid").pid, signal.SIGHUP)
    await board.until_logged("log.level is debug")
    await one_turn(listener)
    assert "debug mmid." in board.log()


async def test_a_new_voice_and_the_wire_log_come_with_a_hangup_and_the_dialog_goes_on(
    make_board: MakeBoard,
) -> None:
    board = await make_board()
    listener = await board.start()
    await one_turn(listener)
    dialog = await listener.client.get(DIALOG, "DialogId")
    config, heard = board.directory / "mmid.toml", len(listener.heard)
    more = '[dialog]\nvoice = "longxiaochun"\n[log]\nlevel = "debug"\nwire = true\n'
    config.write_text(config.read_text() + more)
    os.kill(board.process("mmid").pid, signal.SIGHUP)
    await listener.wait_for("DataInit", after=heard)
    await one_turn(listener)
    assert await listener.client.get(DIALOG, "DialogId") == dialog
    (start,) = [line for line in board.log().splitlines() if '"Start"' in line]
    assert '"longxiaochun"' in start
    assert f'"{dialog}"' in start
