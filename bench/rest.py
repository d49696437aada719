"""What a processor does while nobody talks: CPU and wake-ups of ``mmid run`` at rest.

mmid is connected and listening, with a client on its bus. Now and then it lets the cloud know
that it lives, and tells the bus that the cloud answered; there is nothing else to do. The floor is
bare websockets (``bench.bare_rest``), which does the first of that for the same cloud in the same
window. Each heartbeat takes a millisecond or so, nearly all of it because the code has left the
processor's caches by then; what else the machine does decides how much, up to tenfold. So no time
is a goal here. Each cloud is a pair, and the median of their ratios counts; ``instructions`` counts
the same without that noise. What Alibaba's client takes is told beside it.

Wake-ups are compared with an allowance: a heartbeat a minute is all that the first cloud asks for.
"""

import asyncio
import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.bare_clouds import HEARTBEAT_S
from bench.board import board, running, start_again
from bench.dialogs import Machine
from bench.figure import Effort, Figure
from bench.process import cpu_s, wake_ups
from tests.rig.board import PROTOCOLS
from tests.rig.processes import python

_WINDOW_S = 50.0
_ALLOWED_WAKE_UPS_PER_S = 0.1

# What a process may well take in a window that is too short to mean anything.
_LEAST = 0.001


@dataclass(frozen=True, slots=True)
class Rest:
    """What was spent at rest in a second.

    Attributes:
        ours: by mmid.
        bare: by bare websockets.
        official: by Alibaba's client; None if it is not installed, or was not asked for.
        wake_ups: of mmid.
    """

    ours: float
    bare: float
    official: float | None
    wake_ups: float


def measure(effort: Effort) -> Iterator[Figure]:
    """Watch a board of each cloud rest, all at once."""
    machine = Machine(sys.executable, False, lambda pid: 1000 * cpu_s(pid), {})
    first, *others = asyncio.run(_rests(machine, effort))
    every = first, *others
    ours = [one.ours for one in every]
    bare = [one.bare for one in every]
    yield Figure("idle CPU, a pair for each cloud", "ms/s", ours, "bare websockets", bare)
    if first.official is not None:
        theirs = "dashscope's client"
        yield Figure("idle CPU, beside dashscope", "ms/s", [first.ours], theirs, [first.official])
    allowed = [_ALLOWED_WAKE_UPS_PER_S]
    yield Figure("idle wake-ups", "1/s", [first.wake_ups], "the allowance", allowed, 1.0)


async def _rests(machine: Machine, effort: Effort) -> list[Rest]:
    official = importlib.util.find_spec("dashscope") is not None
    return await asyncio.gather(
        *(
            at_rest(protocol, machine, effort, official=official and protocol == PROTOCOLS[0])
            for protocol in PROTOCOLS
        )
    )


async def at_rest(
    protocol: str, machine: Machine, effort: Effort, *, official: bool = False
) -> Rest:
    """Let a board rest, and say what was spent meanwhile.

    Args:
        protocol: the cloud.
        machine: what runs mmid and the bare client.
        effort: how long to watch; as a rule for as many heartbeats as fall into 50 s, so that
            both have the same number of them.
        official: watch Alibaba's client, too.
    """
    heartbeat_s = HEARTBEAT_S[protocol]
    window_s = effort.seconds(_WINDOW_S // heartbeat_s * heartbeat_s)
    async with (
        board(protocol=protocol, interpreter=machine.interpreter) as (made, _),
        AsyncExitStack() as stack,
    ):
        # What the first minute of a new board writes is no rest.
        await start_again(made)
        facts = made.directory / "facts.json"
        facts.write_text(json.dumps({**made.cloud, "protocol": protocol, "mode": "push2talk"}))
        commands = [python("bench.bare_rest", facts, interpreter=machine.interpreter)]
        if official:
            commands.append(python("bench.dashscope_idle", facts))
        pids = [made.process("mmid").pid]
        pids += [await stack.enter_async_context(running(made, command)) for command in commands]
        # The first heartbeat costs more. And the window begins and ends midway between two of them,
        # or a moment's delay would decide whether one more counts.
        await asyncio.sleep(effort.seconds(1.5 * heartbeat_s))
        before = [machine.spent(pid) for pid in pids], wake_ups(pids[0])
        await asyncio.sleep(window_s)
        after = [machine.spent(pid) for pid in pids], wake_ups(pids[0])
    ours, bare, *others = (
        max(_LEAST, (now - then) / window_s) for then, now in zip(before[0], after[0], strict=True)
    )
    return Rest(ours, bare, others[0] if others else None, (after[1] - before[1]) / window_s)
