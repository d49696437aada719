"""The three work modes, and the change from one to another while the daemon runs."""

from typing import Any

import pytest

from mmid.dbus.failures import CallFailed
from tests.end_to_end.conftest import MICROPHONE, QUICK, SENTENCE, MakeBoard, one_turn
from tests.rig.board import Board, silence
from tests.rig.listener import DIALOG, Listener

LONG_REPLY = """\
thinking_ms = 50
pace = 1.5
[[turn]]
reply = "once upon a time there was a board that could speak, and it spoke for a long while"
"""


def directives(board: Board) -> list[str]:
    return [entry["name"] for entry in board.journal("directive")]


async def tapped_turn(listener: Listener) -> None:
    """Tap, speak, and let the cloud hear the end."""
    await listener.wait_for(".State", "listening")
    start = len(listener.heard)
    await listener.call("StartSpeech")
    ended = await listener.wait_for("TtsEnd", after=start, timeout_s=40)
    await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))


@pytest.mark.parametrize("mode", ["tap2talk", "duplex"])
async def test_another_work_mode_begins_with_another_connection_and_the_same_dialog(
    make_board: MakeBoard, mode: str
) -> None:
    board = await make_board(scenario=QUICK)
    listener = await board.start()
    await one_turn(listener)
    dialog_id = await listener.client.get(DIALOG, "DialogId")
    before = len(listener.heard)
    await listener.client.set(DIALOG, "WorkMode", mode)
    await listener.wait_for(".WorkMode", mode, after=before)
    await listener.wait_for("SpeechReady", after=before)
    assert await listener.client.get(DIALOG, "DialogId") == dialog_id
    assert "Error" not in listener.names()
    assert directives(board)[-2:] == ["Stop", "Start"]


async def test_in_tap2talk_the_cloud_hears_the_end_of_the_speech(make_board: MakeBoard) -> None:
    settings = {"dialog": {"work_mode": "tap2talk"}}
    board = await make_board(scenario=QUICK, settings=settings, microphone=SENTENCE)
    listener = await board.start()
    await tapped_turn(listener)
    assert "SendSpeech" not in directives(board)
    assert "StopSpeech" not in directives(board)
    assert await listener.client.get(DIALOG, "Talker") == ""
    speech = (board.directory / "heard" / "speech-0001.pcm").read_bytes()
    begins = speech.index(SENTENCE[:640])
    assert speech[:begins].strip(b"\0") == b"", "what comes before the tap is silence"
    kept = len(speech) - begins
    assert kept >= 16000 * 2
    assert speech[begins:] == SENTENCE[:kept], "from the first sample on, whole and in order"


async def test_in_duplex_nobody_presses_and_the_cloud_answers(make_board: MakeBoard) -> None:
    settings = {"dialog": {"work_mode": "duplex"}}
    board = await make_board(scenario=QUICK, settings=settings, microphone=SENTENCE)
    listener = await board.start()
    await listener.wait_for("SpeechReady")
    await listener.wait_for("TtsEnd", timeout_s=40)
    with pytest.raises(CallFailed) as caught:
        await listener.call("StartSpeech")
    assert caught.value.name == "org.mmid1.Error.Unsupported"
    assert await listener.client.get(DIALOG, "Talker") == ""


# A second of speech, and another while the reply to the first is heard.
INTERRUPTION = [MICROPHONE[: 16000 * 2], silence(1.8), MICROPHONE[: 16000 * 2], silence(60)]

# It arrives long before it was heard; the reply to the interruption is a text only.
INTERRUPTED = """\
thinking_ms = 50
pace = 8
[[turn]]
reply_s = 7.7
[[turn]]
spoken = false
"""


@pytest.mark.parametrize("mode", ["pcm", "mp3"])
async def test_a_voice_that_interrupts_in_duplex_silences_the_reply_and_not_its_rest(
    make_board: MakeBoard, mode: str
) -> None:
    settings = {"dialog": {"work_mode": "duplex", "downstream_mode": mode}}
    board = await make_board(
        scenario=INTERRUPTED, settings=settings, microphone=b"".join(INTERRUPTION)
    )
    listener = await board.start()
    started = await listener.wait_for("TtsStart")
    silenced = await listener.wait_for("SpeechRestart")
    await listener.wait_for("LlmComplete", after=listener.heard.index(silenced))
    voice = board.journal("speech-begin")[1]["t"]
    assert 0.7 < voice - started.at < 2, "the voice came in the middle of the reply"
    assert silenced.at - voice < 0.3
    # What was heard, what the device still held, and the time the text took.
    assert len(board.played()) / 2 / 24000 < voice - started.at + 0.6


@pytest.mark.parametrize("size", [4096, 65536])
async def test_a_text_behind_four_megabytes_of_audio_is_acted_on_at_once(
    make_board: MakeBoard, size: int
) -> None:
    settings = {"dialog": {"ds_sample_rate": 48000, "player_rb_size": size}}
    scenario = "thinking_ms = 50\npace = 0\n[[turn]]\nreply_s = 41.6\n"
    board = await make_board(scenario=scenario, settings=settings)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "tell me a story")
    told = await listener.wait_for("TtsEnd")
    (sent,) = [entry for entry in board.journal("event") if entry["name"] == "RespondingEnded"]
    assert told.at - sent["t"] < 0.3
    assert await listener.state() == "responding", "it is heard long after"


async def test_a_change_in_mid_turn_ends_it_with_an_error_and_the_next_turn_is_whole(
    make_board: MakeBoard,
) -> None:
    board = await make_board(scenario=LONG_REPLY)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "tell me a story")
    await listener.wait_for("TtsStart")
    before = len(listener.heard)
    await listener.client.set(DIALOG, "WorkMode", "tap2talk")
    told: Any = await listener.wait_for("Error", "connection-lost", after=before)
    assert "work mode" in told.values[1]
    await listener.wait_for("TtsEnd", after=before)
    await listener.wait_for("SpeechReady", after=before)
    await listener.call("Ask", "s", "and now?")
    await listener.wait_for("LlmComplete", after=before)


async def test_a_work_mode_that_does_not_exist_changes_nothing(make_board: MakeBoard) -> None:
    board = await make_board(scenario=QUICK)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    with pytest.raises(CallFailed) as caught:
        await listener.client.set(DIALOG, "WorkMode", "walkie-talkie")
    assert caught.value.name == "org.mmid1.Error.InvalidArgument"
    assert await listener.client.get(DIALOG, "WorkMode") == "push2talk"
    assert directives(board) == ["Start"]
