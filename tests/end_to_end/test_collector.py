"""What the start made is no work for the garbage collector: a full collection would be heard."""

from pathlib import Path

import pytest

from tests.rig.board import Board, silence

# Python runs this at its own start, in each program of the board.
LAST_WORDS = """\
import atexit, gc, sys
def tell():
    print("left alone:", gc.get_freeze_count(), "of", len(gc.get_objects()), file=sys.stderr)
if "run" in sys.orig_argv:
    atexit.register(tell)
"""


async def test_the_collector_leaves_alone_what_the_start_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(LAST_WORDS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    async with Board(tmp_path / "board", microphone=silence(1)) as board:
        listener = await board.start()
        await listener.wait_for(".State", "listening")
        await board.stop("mmid")
        told = board.log().partition("left alone: ")[2].split()
    frozen, watched = int(told[0]), int(told[2])
    assert frozen > 10_000
    assert watched < frozen / 2
