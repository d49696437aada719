"""What a board pays in memory while nobody talks: ``mmid run`` at rest.

mmid is registered, connected and listening, with a client on its bus. The floor
of its memory is a bare Python loop with TLS that does nothing, alive at the same
moment, so that what Python processes share is divided alike. Still PSS flatters the
floor where many of them run: what all of Python shares is most of it. RSS has it
whole in both. Alibaba's own client, connected to the same cloud, is the other comparison.
What it does meanwhile is measured by ``rest``.
"""

import asyncio
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass

from bench.board import board, running, start_again, with_cloud
from bench.figure import Effort, Figure
from bench.process import Memory, memory
from tests.rig.board import PROTOCOLS, Board
from tests.rig.processes import python

# From Listening to rest: the first garbage collection and the last thread of the start.
_SETTLE_S = 1.5


@dataclass(frozen=True, slots=True)
class _Memories:
    """What was seen of three programs at rest; of Alibaba's client, if it is installed.

    Attributes:
        ours: memory of mmid, one for each run.
        bare: the loop's, in the same runs.
        official: that of Alibaba's client.
    """

    ours: list[Memory]
    bare: list[Memory]
    official: list[Memory]


def measure(effort: Effort) -> Iterator[Figure]:
    """Start mmid once for each run, with each cloud."""
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
    for protocol in PROTOCOLS[1:]:
        ours, bare = zip(*asyncio.run(_weigh(protocol, effort)), strict=True)
        yield Figure(with_cloud("idle PSS", protocol), "MiB", ours, floor, bare, 1.65)


async def _watch(effort: Effort) -> _Memories:
    ours, bare, official = [], [], []
    async with board() as (made, _):
        facts = made.directory / "facts.json"
        facts.write_text(json.dumps(made.cloud))
        dashscope = python("bench.dashscope_idle", facts)
        installed = importlib.util.find_spec("dashscope") is not None
        for number in range(effort.runs):
            if number:
                await start_again(made)
            both = await _side_by_side(made, effort)
            ours.append(both[0])
            bare.append(both[1])
            if installed:
                async with running(made, dashscope) as their_pid:
                    official.append(memory(their_pid))
    return _Memories(ours, bare, official)


async def _weigh(protocol: str, effort: Effort) -> list[tuple[float, float]]:
    """Return the PSS of mmid with a cloud, and the bare loop's, of each run."""
    pairs = []
    async with board(protocol=protocol) as (made, _):
        for number in range(effort.runs):
            if number:
                await start_again(made)
            ours, bare = await _side_by_side(made, effort)
            pairs.append((ours.pss, bare.pss))
    return pairs


async def _side_by_side(made: Board, effort: Effort) -> tuple[Memory, Memory]:
    """Return the memory of mmid, and of the bare loop that is alive at the same moment."""
    async with running(made, python("bench.bare_loop"), speaks=False) as loop_pid:
        await asyncio.sleep(effort.seconds(_SETTLE_S))
        return memory(made.process("mmid").pid), memory(loop_pid)
