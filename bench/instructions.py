"""Instructions per second of a dialog on an armhf board: what mmid's part of it is, without noise.

The CPU time of ``dialog_cpu`` moves by a tenth with what else the machine does, and is that of
another processor than a board has. Here the same dialogs are held by mmid and by the floor, the
bare client (``bench.bare_dialog``), both in Debian 13's Python and libraries for armhf under
qemu-user, as a Cortex-A7, and the instructions are counted. What the kernel does is not counted,
nor how long an instruction takes. Simcloud, the bus and its client run beside it as they are.
With echo cancellation the floor calls libspeexdsp for the same sound. At rest (``rest``) both let
the cloud know that they live.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from subprocess import SubprocessError

from bench.armhf import machine
from bench.board import with_cloud
from bench.dialogs import Kind, Machine, hold
from bench.figure import Effort, Figure
from bench.rest import Rest, at_rest
from tests.rig.board import PROTOCOLS

_FLOOR = "bare websockets and pyalsaaudio"

_NAMES = {
    ("push2talk", False): "instructions per second of push-to-talk",
    ("duplex", False): "instructions per second of full duplex",
    ("duplex", True): "the same with echo cancellation",
}


# Two counts differ by a hundredth: more of them tell nothing more.
_RUNS = 2


def measure(effort: Effort) -> Iterator[Figure]:
    """Hold a dialog of each kind in turns, then none."""
    try:
        board = machine()
    except (OSError, SubprocessError) as error:
        print(f"instructions: not counted, there is no armhf Debian to be had here: {error!r}")
        return
    effort = replace(effort, runs=min(effort.runs, _RUNS))
    for (mode, cancelling), name in _NAMES.items():
        kinds = [Kind(protocol, mode, cancelling) for protocol in PROTOCOLS]
        floor = f"{_FLOOR}, libspeexdsp" if cancelling else _FLOOR
        for kind, (ours, bare) in zip(kinds, _held(kinds, board, effort), strict=True):
            yield Figure(with_cloud(name, kind.protocol), "M/s", ours, floor, bare, 1.3)
    for protocol, rest in zip(PROTOCOLS, asyncio.run(_rests(board, effort)), strict=True):
        name = with_cloud("instructions per minute of rest", protocol)
        spent, floor = (60 * rest.ours, 60 * rest.bare), "bare websockets"
        yield Figure(name, "M/min", spent[:1], floor, spent[1:], 1.6)


async def _rests(board: Machine, effort: Effort) -> list[Rest]:
    return await asyncio.gather(*(at_rest(protocol, board, effort) for protocol in PROTOCOLS))


def _held(
    kinds: Sequence[Kind], board: Machine, effort: Effort
) -> Iterator[tuple[list[float], list[float]]]:
    """Yield what was spent by each kind, ours and the baseline's."""

    async def at_once() -> list[tuple[list[float], list[float]]]:
        return await asyncio.gather(*(hold(kind, board, effort) for kind in kinds))

    # An echo canceller that is late for the sound card begins its search anew.
    if kinds[0].cancelling:
        yield from (asyncio.run(hold(kind, board, effort)) for kind in kinds)
    else:
        yield from asyncio.run(at_once())  # nothing is timed
