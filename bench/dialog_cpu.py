"""CPU per second of a dialog: capture, uplink, downlink, playback, events on the bus.

A turn is so many seconds of speech and as many of reply; its CPU is told for a
second of both. The floor is a client of one page (``bench.bare_dialog``) that
does the same against the same cloud with nothing but websockets and pyalsaaudio,
no bus and no checks. Both have the same sound card, which takes its time as a card
does: ``null`` would not, so that mmid would have to pace it. They take turns.
"""

import asyncio
import json
from collections.abc import Iterator

from bench.board import board, hear_out, speak
from bench.figure import Effort, Figure
from bench.process import cpu_s
from tests.rig.board import Board
from tests.rig.listener import Listener
from tests.rig.processes import Process, python

__all__ = ["measure"]

_SPEECH_S = 3.0


def measure(effort: Effort) -> Iterator[Figure]:
    """Take turns in turns."""
    ours, bare = asyncio.run(_dialogs(effort))
    floor = "bare websockets and pyalsaaudio"
    yield Figure("CPU per second of a dialog", "ms/s", ours, floor, bare, 1.3)


async def _dialogs(effort: Effort) -> tuple[list[float], list[float]]:
    seconds, ours, bare = effort.seconds(_SPEECH_S, least=0.4), [], []
    async with board(reply_s=seconds, paced=True) as (made, listener):
        await _our_turn(made, listener, seconds)  # what is loaded once does not count
        for _ in range(effort.runs):
            ours.append(await _our_turn(made, listener, seconds) * 1000 / seconds)
            bare.append(await _bare_turn(made, seconds) * 1000 / seconds)
    return ours, bare


async def _our_turn(made: Board, listener: Listener, seconds: float) -> float:
    """Return the CPU seconds of a turn through mmid."""
    pid, start = made.process("mmid").pid, len(listener.heard)
    before = cpu_s(pid)
    await speak(listener, seconds)
    await hear_out(listener, start)
    return cpu_s(pid) - before


async def _bare_turn(made: Board, seconds: float) -> float:
    """Return the CPU seconds of a turn of the bare client."""
    facts = made.directory / "facts.json"
    facts.write_text(json.dumps({**made.cloud, "speech_s": seconds}))
    client = Process(
        python("bench.bare_dialog", facts),
        made.directory / "bare.log",
        {"ALSA_CONFIG_PATH": str(made.directory / "asound.conf")},
    )
    await client.start()
    try:
        return float(json.loads(await client.first_line())["cpu_s"])
    finally:
        await client.stop()
