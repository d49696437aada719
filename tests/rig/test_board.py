import signal
from pathlib import Path

import pytest

from tests.rig.board import Board


async def test_a_part_that_does_not_end_leaves_no_other_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.rig.processes.STOP_S", 0.2)
    board = Board(tmp_path, microphone=b"")
    scripts = {"first": "", "hung": "trap '' TERM; "}
    parts = [
        board._process(name, ["sh", "-c", f"{script}echo; exec sleep 600"])
        for name, script in scripts.items()
    ]
    for part in parts:
        await part.start()
        await part.first_line()
    with pytest.raises(TimeoutError):
        await board.close()
    left = [part.pid for part in parts if not part.ended]
    for part in parts:
        await part.stop(signal.SIGKILL)
    assert not left
