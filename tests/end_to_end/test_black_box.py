"""What the black box says after the daemon was killed, and after it was stopped."""

import signal

from tests.end_to_end.conftest import MakeBoard
from tests.rig.listener import DEVICE, Listener


async def history(listener: Listener) -> list[tuple[str, str]]:
    [transitions] = await listener.client.call(DEVICE, "GetHistory")
    return [(state, cause) for _, state, cause in transitions]


async def test_what_led_to_a_kill_is_in_the_next_log_and_in_the_history(
    make_board: MakeBoard,
) -> None:
    board = await make_board()
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("StartSpeech")
    await listener.wait_for("AsrStart")
    await board.stop("mmid", signal.SIGKILL)
    assert "did not end as it should" not in board.log()

    await board.start_mmid()
    await board.until_logged("the run before did not end as it should")
    await board.until_logged("s  talking: ")
    again = await board.listener()
    await again.wait_for(".State", "listening")
    moves = await history(again)
    states = [state for state, _ in moves]
    starts = [place for place, state in enumerate(states) if state == "started"]
    assert len(starts) == 2
    before, after = states[: starts[1]], states[starts[1] :]
    for run in (before, after):
        assert run[:3] == ["started", "connecting", "dialling"]
        assert "listening" in run
    assert before[-1] == "talking"


async def test_a_run_that_was_stopped_leaves_nothing_to_tell(make_board: MakeBoard) -> None:
    board = await make_board()
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    assert await board.stop("mmid") == 0
    await board.start_mmid()
    again = await board.listener()
    await again.wait_for(".State", "listening")
    assert "did not end as it should" not in board.log()
    moves = await history(again)
    assert ("stopped", "asked to") in moves
