"""What a board pays while nobody talks: memory, CPU and wake-ups of ``mmid run``.

mmid is registered, connected and listening, with a client on its bus. The floor
of its memory is a bare Python loop with TLS that does nothing, alive at the same
moment, so that what Python processes share is divided alike. Still PSS flatters the
floor where many of them run: what all of Python shares is most of it. RSS has it
whole in both. Alibaba's own client, connected to the same cloud, is the other comparison.

CPU and wake-ups are compared with an allowance: the loop that does nothing has
none of either, and a heartbeat a minute is all that the protocol asks for. What
Alibaba's client takes in the same time is told beside it. Of the second cloud the memory
is told: its code is another.
"""

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench.board import board, with_cloud
from bench.figure import Effort, Figure
from bench.process import Memory, cpu_s, memory, wake_ups
from tests.rig.board import PROTOCOLS, Board
from tests.rig.processes import Process, python

# From Listening to rest: the first garbage collection and the last thread of the start.
_SETTLE_S = 1.5
# One heartbeat falls into it.
_WINDOW_S = 50.0
_ALLOWED_CPU_MS_PER_S = 0.1
_ALLOWED_WAKE_UPS_PER_S = 0.1

# What a process may well take in a window that is too short to mean anything.
_LEAST_CPU_MS_PER_S = 0.001


@dataclass(frozen=True, slots=True)
class _Rest:
    """What was seen of three programs at rest; of Alibaba's client, if it is installed.

    Attributes:
        ours: memory of mmid, one for each run.
        bare: the loop's, in the same runs.
        official: that of Alibaba's client.
        cpu: ms a second of mmid.
        official_cpu: of Alibaba's client.
        wake_ups: of mmid, a second.
    """

    ours: list[Memory]
    bare: list[Memory]
    official: list[Memory]
    cpu: float
    official_cpu: list[float]
    wake_ups: float


def measure(effort: Effort) -> Iterator[Figure]:
    """Start mmid once for each run, then watch the last one rest."""
    seen = asyncio.run(_watch(effort))
    floor = "a bare asyncio and ssl loop"
    pss = [one.pss for one in seen.ours]
    yield Figure("idle PSS", "MiB", pss, floor, [one.pss for one in seen.bare], 1.65)
    yield Figure(
        "idle private dirty",
        "MiB",
        [one.private_dirty for one in seen.ours],
        floor,
        [one.private_dirty for one in seen.bare],
        1.7,
    )
    yield Figure(
        "idle RSS: PSS where no other Python runs",
        "MiB",
        [one.rss for one in seen.ours],
        floor,
        [one.rss for one in seen.bare],
        1.5,
    )
    theirs = "dashscope's client"
    if seen.official:
        official = [one.pss for one in seen.official]
        yield Figure("idle PSS, beside dashscope", "MiB", pss, theirs, official, 0.4)
    allowance = "the allowance"
    yield Figure("idle CPU", "ms/s", [seen.cpu], allowance, [_ALLOWED_CPU_MS_PER_S], 1.0)
    if seen.official_cpu:
        yield Figure("idle CPU, beside dashscope", "ms/s", [seen.cpu], theirs, seen.official_cpu)
    wakes = [seen.wake_ups]
    yield Figure("idle wake-ups", "1/s", wakes, allowance, [_ALLOWED_WAKE_UPS_PER_S], 1.0)
    for protocol in PROTOCOLS[1:]:
        ours, bare = zip(*asyncio.run(_weigh(protocol, effort)), strict=True)
        yield Figure(with_cloud("idle PSS", protocol), "MiB", ours, floor, bare, 1.65)


async def _watch(effort: Effort) -> _Rest:
    ours, bare, official = [], [], []
    async with board() as (made, _), AsyncExitStack() as stack:
        facts = made.directory / "facts.json"
        facts.write_text(json.dumps(made.cloud))
        dashscope = python("bench.dashscope_idle", facts)
        installed = importlib.util.find_spec("dashscope") is not None
        for number in range(effort.runs):
            if number:
                await _start_again(made)
            both = await _side_by_side(made, effort)
            ours.append(both[0])
            bare.append(both[1])
            if installed:
                async with _running(made, dashscope) as their_pid:
                    official.append(memory(their_pid))
        pids = [made.process("mmid").pid]
        if installed:
            pids.append(await stack.enter_async_context(_running(made, dashscope)))
        window_s = effort.seconds(_WINDOW_S)
        before = [cpu_s(pid) for pid in pids], wake_ups(pids[0])
        await asyncio.sleep(window_s)
        after = [cpu_s(pid) for pid in pids], wake_ups(pids[0])
    spent = zip(before[0], after[0], strict=True)
    cpu, *official_cpu = [
        max(_LEAST_CPU_MS_PER_S, (now - then) * 1000 / window_s) for then, now in spent
    ]
    return _Rest(ours, bare, official, cpu, official_cpu, (after[1] - before[1]) / window_s)


async def _weigh(protocol: str, effort: Effort) -> list[tuple[float, float]]:
    """Return the PSS of mmid with a cloud, and the bare loop's, of each run."""
    pairs = []
    async with board(protocol=protocol) as (made, _):
        for number in range(effort.runs):
            if number:
                await _start_again(made)
            ours, bare = await _side_by_side(made, effort)
            pairs.append((ours.pss, bare.pss))
    return pairs


async def _side_by_side(made: Board, effort: Effort) -> tuple[Memory, Memory]:
    """Return the memory of mmid, and of the bare loop that is alive at the same moment."""
    async with _running(made, python("bench.bare_loop"), speaks=False) as loop_pid:
        await asyncio.sleep(effort.seconds(_SETTLE_S))
        return memory(made.process("mmid").pid), memory(loop_pid)


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
