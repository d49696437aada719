"""What a board pays while nobody talks: memory, CPU and wake-ups of ``mmid run``.

mmid is registered, connected and listening, with a client on its bus. The floor
of its memory is a bare Python loop with TLS that does nothing, alive at the same
moment, so that what Python processes share is divided alike. Still PSS flatters the
floor where many of them run: what all of Python shares is most of it. RSS has it
whole in both. Alibaba's own client, connected to the same cloud, is the other comparison.

CPU and wake-ups are compared with an allowance: the loop that does nothing has
none of either, and a heartbeat a minute is all that the protocol asks for.
"""

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from bench.board import board
from bench.figure import Effort, Figure
from bench.process import Memory, cpu_s, memory, wake_ups
from tests.rig.board import Board
from tests.rig.processes import Process, python

__all__ = ["measure"]

# From Listening to rest: the first garbage collection and the last thread of the start.
_SETTLE_S = 1.5
# One heartbeat falls into it.
_WINDOW_S = 50.0
_ALLOWED_CPU_MS_PER_S = 0.1
_ALLOWED_WAKE_UPS_PER_S = 0.1


def measure(effort: Effort) -> Iterator[Figure]:
    """Start mmid once for each run, then watch the last one rest."""
    ours, bare, official, cpu, wakes = asyncio.run(_watch(effort))
    floor = "a bare asyncio and ssl loop"
    pss = [one.pss for one in ours]
    yield Figure("idle PSS", "MiB", pss, floor, [one.pss for one in bare], 1.75)
    yield Figure(
        "idle private dirty",
        "MiB",
        [one.private_dirty for one in ours],
        floor,
        [one.private_dirty for one in bare],
        1.85,
    )
    yield Figure(
        "idle RSS: PSS where no other Python runs",
        "MiB",
        [one.rss for one in ours],
        floor,
        [one.rss for one in bare],
        1.75,
    )
    if official:
        theirs = [one.pss for one in official]
        yield Figure("idle PSS, beside dashscope", "MiB", pss, "dashscope's client", theirs, 0.4)
    allowance = "the allowance"
    yield Figure("idle CPU", "ms/s", [cpu], allowance, [_ALLOWED_CPU_MS_PER_S], 1.0)
    yield Figure("idle wake-ups", "1/s", [wakes], allowance, [_ALLOWED_WAKE_UPS_PER_S], 1.0)


async def _watch(
    effort: Effort,
) -> tuple[list[Memory], list[Memory], list[Memory], float, float]:
    ours, bare, official = [], [], []
    async with board() as (made, _):
        facts = made.directory / "facts.json"
        facts.write_text(json.dumps(made.cloud))
        for number in range(effort.runs):
            if number:
                await _start_again(made)
            async with _running(made, python("bench.bare_loop"), speaks=False) as loop_pid:
                await asyncio.sleep(effort.seconds(_SETTLE_S))
                ours.append(memory(made.process("mmid").pid))
                bare.append(memory(loop_pid))
            if importlib.util.find_spec("dashscope"):
                async with _running(made, python("bench.dashscope_idle", facts)) as their_pid:
                    official.append(memory(their_pid))
        pid, window_s = made.process("mmid").pid, effort.seconds(_WINDOW_S)
        before = cpu_s(pid), wake_ups(pid)
        await asyncio.sleep(window_s)
        cpu = (cpu_s(pid) - before[0]) * 1000 / window_s
        wakes = (wake_ups(pid) - before[1]) / window_s
    return ours, bare, official, cpu, wakes


async def _start_again(made: Board) -> None:
    await made.stop("mmid")
    await made.start_mmid()
    listener = await made.listener()
    await listener.wait_for(".State", "listening")


@asynccontextmanager
async def _running(made: Board, command: list[str], *, speaks: bool = True) -> AsyncIterator[int]:
    """Run a program until the block ends; one that speaks says a line when it is ready."""
    process = Process(command, made.directory / "other.log")
    await process.start()
    try:
        if speaks:
            await process.first_line()
        yield process.pid
    finally:
        await process.stop()
