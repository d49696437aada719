"""What an app tells the cloud beside speech, as the strict cloud takes it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmid.dbus.failures import CallFailed
from tests.end_to_end.conftest import MakeBoard
from tests.rig.board import Board
from tests.rig.listener import DIALOG, Listener

SCENARIO = """\
thinking_ms = 50
pace = 0
[[turn]]
reply = "let me have a look"
reply_wav = "{short}"
commands = [{ name = "visual_qa", command_request_id = "look-1", params = [] }]
[[turn]]
reply = "a cup"
reply_wav = "{short}"
"""

# The first bytes of a JPEG; nobody here looks further.
JPEG = b"\xff\xd8\xff\xe0" + bytes(200)


@pytest.fixture
def photo(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "photo.jpeg"
    path.write_bytes(JPEG)
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def last(board: Board, name: str) -> dict[str, Any]:
    return [entry for entry in board.journal("directive") if entry["name"] == name][-1]


async def answered(listener: Listener, after: int) -> None:
    ended = await listener.wait_for("TtsEnd", after=after)
    await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))


async def test_a_photo_and_the_result_of_a_command_go_up_as_the_cloud_wants_them(
    make_board: MakeBoard, photo: int
) -> None:
    board = await make_board(scenario=SCENARIO)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "what am I holding?")
    command = await listener.wait_for("Command", "visual_qa")
    request = {"name": "command_request_id", "value": "look-1"}
    assert request in json.loads(command.values[1])
    await answered(listener, listener.heard.index(command))

    before = len(listener.heard)
    await listener.client.call(
        DIALOG, "AskAboutImage", "ssh", "this", "image/jpeg", 0, descriptors=[photo]
    )
    await answered(listener, before)
    assert last(board, "RequestToRespond")["images"] == 1

    before = len(listener.heard)
    result = {"command_results": [{"command_request_id": "look-1", "invoke_result": "{}"}]}
    await listener.call("AskWith", "ss", "", json.dumps(result))
    await answered(listener, before)
    assert last(board, "RequestToRespond")["biz_params"] == ["command_results"]
    assert "Error" not in listener.names()


async def test_the_board_and_its_camera_can_be_told_of(make_board: MakeBoard, photo: int) -> None:
    board = await make_board(scenario=SCENARIO, settings={"dialog": {"video": True}})
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    status = {"stream_media_playback": {"status": "stopped"}}
    await listener.call("UpdateInfo", "ss", json.dumps(status), "")
    await listener.client.call(DIALOG, "SendVideoFrame", "sh", "image/jpeg", 0, descriptors=[photo])
    await listener.call("Ask", "s", "what do you see?")  # in order behind them
    await listener.wait_for("TtsStart")
    told = [entry for entry in board.journal("directive") if entry["name"] == "UpdateInfo"]
    assert [entry.get("images", 0) for entry in told] == [0, 1]
    assert "Error" not in listener.names()


async def test_without_video_a_frame_is_refused_by_the_name_of_the_setting(
    make_board: MakeBoard, photo: int
) -> None:
    board = await make_board()
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    with pytest.raises(CallFailed, match=r"dialog\.video") as refused:
        await listener.client.call(
            DIALOG, "SendVideoFrame", "sh", "image/jpeg", 0, descriptors=[photo]
        )
    assert refused.value.name.endswith("Unsupported")
