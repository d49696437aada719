"""What the service manager hears of the daemon, on a real notification socket."""

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from mmid.events import State
from tests.end_to_end.conftest import MakeBoard
from tests.rig.listener import WAIT_S


async def opened_by_a_reader(fifo: Path) -> int:
    """Wait until somebody reads a FIFO; return its other end."""
    async with asyncio.timeout(WAIT_S):
        while True:
            with suppress(OSError):
                return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            await asyncio.sleep(0.01)


async def test_that_it_stops_is_the_last_that_is_heard_of_it(
    make_board: MakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, loop, heard = tmp_path / "mmid.toml", asyncio.get_running_loop(), list[str]()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        async def until(word: str) -> None:
            async with asyncio.timeout(WAIT_S):
                while word not in heard:
                    heard.extend((await loop.sock_recv(manager, 4096)).decode().splitlines())

        board = await make_board()
        listener = await board.start()
        await listener.wait_for(".State", State.LISTENING)
        mmid, cloud = board.process("mmid"), board.process("simcloud")
        # It is to stop while its settings are read once more, and its cloud says no goodbye.
        settings = config.read_bytes()
        config.unlink()
        os.mkfifo(config)
        os.kill(mmid.pid, signal.SIGHUP)
        written = await opened_by_a_reader(config)
        os.kill(cloud.pid, signal.SIGSTOP)
        os.kill(mmid.pid, signal.SIGTERM)
        await until("STOPPING=1")
        assert heard[-2:] == ["STOPPING=1", "STATUS=stopping"]
        heard.clear()
        with suppress(BrokenPipeError):
            os.write(written, settings)
        os.close(written)
        async with asyncio.timeout(WAIT_S):
            assert await mmid.wait() == 0
        os.kill(cloud.pid, signal.SIGCONT)
        with suppress(BlockingIOError):
            heard.extend(manager.recv(4096).decode().splitlines())
        assert heard == []
