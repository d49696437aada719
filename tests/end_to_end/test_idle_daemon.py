"""What the running daemon has in its memory while nobody talks; it is asked, not guessed."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.end_to_end.conftest import MakeBoard
from tests.rig.board import Board

# Every Python that a test starts imports this first; in the daemon it answers a signal.
_ANSWER = """\
import sys
if "mmid.cli.mmid" in sys.orig_argv:
    import gc, signal

    def answer(*_):
        loaded = [name for name, one in sys.modules.items() if type(one).__name__ == "module"]
        with open({path!r}, "w") as file:  # a pipe: opened when somebody reads
            print(gc.isenabled(), *loaded, file=file)

    signal.signal(signal.SIGUSR2, answer)
"""

# What would be dear, and who brings it; none of it is needed to listen.
_HEAVY = {
    "argparse": "the command line",
    "cryptography": "the license codec and a sealed record, in children",
    "dbus_next.message_bus": "dbus-next's own connection",
    "email": "http.client, importlib.metadata",
    "http.client": "the license service, in a child",
    "importlib.metadata": "websockets, pydantic",
    "mmid.settings.load": "the settings, in a fork",
    "mmid.settings.sources": "the settings, in a fork",
    "mmid.hal_linux.audio.codecs.mp3": "another codec than that of the settings",
    "mmid.hal_linux.audio.codecs.libopus": "another codec than that of the settings",
    "mmid.session.license.codec": "the license, in a child",
    "pydantic": "the settings, in a fork",
    "tomllib": "the settings, in a fork",
    "urllib.request": "websockets, for proxies",
    "xml.etree.ElementTree": "dbus-next, for introspection",
}


async def asked(board: Board, answer: Path) -> list[str]:
    """Return what the daemon says of itself: whether it collects garbage, and its modules."""
    os.kill(board.process("mmid").pid, signal.SIGUSR2)
    async with asyncio.timeout(10):
        return (await asyncio.to_thread(answer.read_text)).split()


async def test_the_daemon_that_listens_carries_nothing_heavy(
    make_board: MakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = tmp_path / "answer"
    os.mkfifo(answer)
    (hook := tmp_path / "hook").mkdir()
    (hook / "sitecustomize.py").write_text(_ANSWER.format(path=str(answer)))
    monkeypatch.setenv("PYTHONPATH", str(hook))
    board = await make_board()
    listener = await board.start()
    await listener.wait_for(".State", "listening")

    collects, *loaded = await asked(board, answer)
    assert {"mmid.service.daemon", "mmid.session.link", "websockets.asyncio.client"} <= {*loaded}
    assert {name: by for name, by in _HEAVY.items() if name in loaded} == {}

    # Garbage is not looked for during the start; from then on it is.
    deadline = time.monotonic() + 10
    while collects == "False" and time.monotonic() < deadline:
        collects = (await asked(board, answer))[0]
    assert collects == "True"
