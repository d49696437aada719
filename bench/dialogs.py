"""Dialogs of mmid and of the bare client, in turns with the same cloud, and what each has spent.

What is spent, of CPU time or of instructions, a ``Machine`` counts by the process id. Both
have the same sound card, which takes its time as a card does: ``null`` would not, so that mmid
would have to pace it.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bare_sound import OPEN_BEFORE_S
from bench.board import board, hear_out, speak
from bench.figure import Effort
from tests.rig.board import Board
from tests.rig.listener import Listener
from tests.rig.processes import EMULATED_START_S, Process, python

_REPLY_S = 3.0

# What full duplex goes on after the reply was sent, until mmid has played it.
_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What the two run on.

    Attributes:
        interpreter: the Python that runs them.
        paced: as ``board`` has it.
        spent: what a process has spent until now.
        facts: what the bare client must know to ask that for itself.
    """

    interpreter: str
    paced: bool | Path
    spent: Callable[[int], float]
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of dialog.

    Attributes:
        protocol: the cloud.
        mode: ``push2talk`` or ``duplex``.
        cancelling: the loudspeaker's echo is taken out.
    """

    protocol: str
    mode: str
    cancelling: bool = False

    def seconds(self, effort: Effort) -> tuple[float, float]:
        """Return how long the reply is, and of how many seconds the cost is told."""
        reply_s = effort.seconds(_REPLY_S, least=0.4)
        after_s = effort.seconds(_AFTER_S, least=0.3)
        return reply_s, reply_s if self.mode == "push2talk" else reply_s + after_s


async def hold(kind: Kind, machine: Machine, effort: Effort) -> tuple[list[float], list[float]]:
    """Return what mmid and what the baseline spent for a second of the dialog, each time.

    A turn of push-to-talk is so many seconds of speech, then as many of reply; what it cost
    is told for a second of both.
    """
    reply_s, seconds = kind.seconds(effort)
    ours, bare = [], []
    async with board(
        reply_s=reply_s,
        paced=machine.paced,
        interpreter=machine.interpreter,
        cancelling=kind.cancelling,
        work_mode=kind.mode,
        protocol=kind.protocol,
    ) as (made, listener):
        turn = _push_to_talk if kind.mode == "push2talk" else _full_duplex
        pid = made.process("mmid").pid
        await turn(listener, seconds)  # what is loaded once does not count
        for number in range(effort.runs):
            if number:
                start = len(listener.heard)
                await listener.call("Connect")
                await listener.wait_for(".State", "listening", after=start)
            if kind.mode == "duplex":
                await asyncio.sleep(OPEN_BEFORE_S)
            before = machine.spent(pid)
            await turn(listener, seconds)
            ours.append((machine.spent(pid) - before) / seconds)
            await listener.call("Disconnect")  # an open microphone would go on
            bare.append(await _bare(kind, machine, made, seconds) / seconds)
    return ours, bare


async def _push_to_talk(listener: Listener, seconds: float) -> None:
    """Talk so long, and hear the reply out."""
    start = len(listener.heard)
    await speak(listener, seconds)
    await hear_out(listener, start)


async def _full_duplex(listener: Listener, seconds: float) -> None:
    """Be in full duplex so long, with one reply in it."""
    start, began = len(listener.heard), time.monotonic()
    await listener.call("Ask", "s", "go on")
    await hear_out(listener, start)
    await asyncio.sleep(began + seconds - time.monotonic())


async def _bare(kind: Kind, machine: Machine, made: Board, seconds: float) -> float:
    """Return what the same costs the bare client."""
    told: dict[str, Any] = {**made.cloud, **machine.facts, "protocol": kind.protocol}
    told |= {"mode": kind.mode, "seconds": seconds, "cancelling": kind.cancelling}
    facts = made.directory / "facts.json"
    facts.write_text(json.dumps(told))
    client = Process(
        python("bench.bare_dialog", facts, interpreter=machine.interpreter),
        made.directory / "bare.log",
        {"ALSA_CONFIG_PATH": str(made.directory / "asound.conf")},
    )
    await client.start()
    try:
        return float(json.loads(await client.first_line(EMULATED_START_S))["spent"])
    finally:
        await client.stop()
