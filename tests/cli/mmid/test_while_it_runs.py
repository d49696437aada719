"""The tools keep their hands off the record of a daemon that runs."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rig.board import Board, silence
from tests.rig.processes import REPOSITORY


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Board]:
    async with Board(tmp_path, microphone=silence(60)) as board:
        await board.start()
        yield board


async def mmid(board: Board, *arguments: str) -> tuple[int | None, str]:
    """Run a tool with the daemon's settings; return how it ended and its complaint."""
    config = str(board.directory / "mmid.toml")
    tool = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mmid.cli.mmid", *arguments, "--config", config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    output, complaint = await asyncio.wait_for(tool.communicate(), 30)
    return tool.returncode, output.decode() + complaint.decode()


async def test_erase_a_second_daemon_and_the_storage_test_are_refused(board: Board) -> None:
    for arguments, status in (
        (("storage", "erase", "--yes"), 74),
        (("run",), 74),
        (("hal-test",), 1),
    ):
        ended, said = await mmid(board, *arguments)
        assert ended == status, said
        assert "in use by another mmid" in said


async def test_the_record_is_free_when_the_daemon_was_killed(board: Board) -> None:
    await board.stop("mmid", signal.SIGKILL)
    ended, said = await mmid(board, "storage", "erase", "--yes")
    assert (ended, "erased" in said) == (0, True), said
