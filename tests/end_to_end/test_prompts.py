"""Silence is explained, through the real daemon and alsa-lib."""

import asyncio
import wave

import pytest

from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import AUDIO
from tests.end_to_end.conftest import MakeBoard
from tests.rig.board import Board
from tests.rig.processes import REPOSITORY

PACKAGED = REPOSITORY / "packaging" / "prompts"


def samples(name: str) -> bytes:
    with wave.open(str(PACKAGED / name), "rb") as file:
        return file.readframes(file.getnframes())


async def until_played(board: Board, name: str) -> None:
    """Wait until the loudspeaker's file is whole and begins with a prompt."""
    heard = b""
    async with asyncio.timeout(20):
        while not heard.startswith(samples(name)):
            await asyncio.sleep(0.02)
            if board.loudspeaker.exists() and board.loudspeaker.stat().st_size:
                heard = board.loudspeaker.read_bytes()[44:]


async def test_a_press_without_a_cloud_is_answered_by_a_prompt(make_board: MakeBoard) -> None:
    prompts = {"directory": str(PACKAGED), "offline": "offline.wav"}
    board = await make_board(
        settings={"prompts": prompts, "dialog": {"press_wait_s": 0.2, "ds_sample_rate": 8000}}
    )
    await board.start_cloud()
    await board.stop("simcloud")
    await board.start_bus()
    listener = await board.listener()
    await board.start_mmid()
    await listener.wait_for(".State")
    with pytest.raises(CallFailed, match="no dialog"):
        await listener.call("StartSpeech")
    await until_played(board, "offline.wav")
    await listener.client.call(AUDIO, "PlayPrompt", "s", "ready.wav")
    await until_played(board, "ready.wav")
    with pytest.raises(CallFailed, match="no name of a file"):
        await listener.client.call(AUDIO, "PlayPrompt", "s", "../mmid.toml")
