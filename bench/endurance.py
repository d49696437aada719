"""Whether months change anything: memory and flash after many dialogs.

A dialog is a question, spoken and typed in turns (the cloud refuses five that are
typed in two seconds), and a short reply. A thousand of them take five minutes. The
baseline of memory is the same process after the first ten; that of flash, the longest
record. PSS is not judged: it moves when another Python on the machine starts or ends, which RSS
and what is private to the process do not.
"""

import asyncio
from collections.abc import Iterator

from bench.board import board, hear_out, speak
from bench.figure import Effort, Figure
from bench.process import Memory, memory
from mmid.hal_linux.storage import describe
from mmid.hal_linux.storage.record_format import MAX_RECORD_BYTES
from tests.rig.board import Board
from tests.rig.listener import Listener

_DIALOGS = 1000
_FIRST = 10
_REPLY_S, _PRESS_S = 0.1, 0.3
_GOAL = 1.02


def measure(effort: Effort) -> Iterator[Figure]:
    """Hold them all in one process."""
    count = effort.times(_DIALOGS, least=_FIRST + 2)
    before, after, written = asyncio.run(_dialogs(count))
    floor = f"after the first {_FIRST}"
    name = f"RSS after {count} dialogs"
    yield Figure(name, "MiB", [after.rss], floor, [before.rss], _GOAL)
    name = f"private dirty after {count} dialogs"
    yield Figure(name, "MiB", [after.private_dirty], floor, [before.private_dirty], _GOAL)
    name = f"flash written by {count} dialogs"
    yield Figure(name, "bytes", [written], "the longest record", [MAX_RECORD_BYTES], 0.0)


async def _dialogs(count: int) -> tuple[Memory, Memory, float]:
    async with board(reply_s=_REPLY_S, pace=0.0) as (made, _):
        # The id of a new board's first dialog is written when it stops.
        await made.stop("mmid")
        await made.start_mmid()
        listener = await made.listener()
        await listener.wait_for(".State", "listening")
        for number in range(_FIRST):
            await _dialog(listener, number)
        pid = made.process("mmid").pid
        before, saved = memory(pid), _written(made)
        for number in range(_FIRST, count):
            await _dialog(listener, number)
        return before, memory(pid), _written(made) - saved


async def _dialog(listener: Listener, number: int) -> None:
    start = len(listener.heard)
    if number % 2:
        await listener.call("Ask", "s", "what is the weather like today")
    else:
        await speak(listener, _PRESS_S)
    await hear_out(listener, start)


def _written(made: Board) -> float:
    """Return the bytes that were written to the record so far."""
    copies = describe(f"file:{made.directory / 'device.bin'}")
    return float(sum(copy.sequence * copy.size_bytes for copy in copies))
