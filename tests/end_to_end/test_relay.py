"""Boards that hold no key: they reach each cloud through the real mmid-relay."""

import asyncio
import json
from pathlib import Path

import pytest

from mmid.dbus.interface import DEVICE
from tests.end_to_end.conftest import QUICK, MakeBoard
from tests.rig.relay import PROGRAM, SERVER_SECRETS, RelayBoard

pytestmark = pytest.mark.skipif(
    not PROGRAM.exists(), reason="mmid-relay is not installed: tools/bootstrap relay"
)


@pytest.mark.parametrize(
    ("protocol", "mode", "asked"),
    [
        ("multimodal-dialog", "semi-managed", ["/v1/register", "/v1/token"]),
        ("qwen-realtime", "temporary-key", ["/v1/qwen/token"]),
        ("baidu-rtc", "activation", ["/v1/baidu/instance", "/v1/baidu/stop"]),
    ],
)
async def test_a_board_without_a_key_holds_a_dialog(
    make_board: MakeBoard, protocol: str, mode: str, asked: list[str]
) -> None:
    board = await make_board(scenario=QUICK, protocol=protocol, kind=RelayBoard)
    assert isinstance(board, RelayBoard)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("StartSpeech")
    await asyncio.sleep(0.4)  # how long a person speaks
    await listener.call("StopSpeech")
    told = await listener.wait_for("LlmComplete")
    await listener.wait_for("SpeechPrepare", after=listener.heard.index(told))
    assert await listener.client.get(DEVICE, "LicenseMode") == mode
    assert await listener.client.get(DEVICE, "LicenseState") in {"authorized", "registered"}
    assert await board.stop("mmid") == 0
    await board.stop("relay")

    audit = [json.loads(line) for line in board.audit_file.read_text().splitlines()]
    assert [(line["path"], line["device"], line["status"]) for line in audit] == [
        (path, "board-0001", 200) for path in asked
    ]
    settings = (board.directory / "mmid.toml").read_text()
    said = board.audit_file.read_text() + board.log("relay") + board.log("mmid")
    for name in SERVER_SECRETS:
        assert board.cloud[name] not in settings
        assert board.cloud[name] not in said
    assert board.token not in said


async def test_a_board_with_another_boards_token_is_refused_and_says_so(
    make_board: MakeBoard, tmp_path: Path
) -> None:
    board = await make_board(
        scenario=QUICK,
        kind=RelayBoard,
        settings={"license": {"device_name": "board-0002"}},
    )
    listener = await board.start()
    await listener.wait_for("Error", "http")
    assert not (tmp_path / "heard" / "journal.jsonl").read_text()  # the vendor was not asked
    assert await board.stop("mmid") == 0
