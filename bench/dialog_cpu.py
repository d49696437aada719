"""CPU per second of a dialog: capture, uplink, downlink, playback, events on the bus.

In full duplex the microphone is open all the time, and a reply is played meanwhile. A
turn of push-to-talk is so many seconds of speech, then as many of reply; its CPU is told
for a second of both, so it has half the sound for the same events and calls. The floor is
a client of one page (``bench.bare_dialog``) that does the same against the same cloud
with nothing but websockets and pyalsaaudio, no bus and no checks. Both have the same
sound card, which takes its time as a card does: ``null`` would not, so that mmid would
have to pace it. They take turns, with each cloud.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from itertools import product

from bench.bare_dialog import OPEN_BEFORE_S
from bench.board import board, hear_out, speak, with_cloud
from bench.figure import Effort, Figure
from bench.process import cpu_s
from tests.rig.board import PROTOCOLS, Board
from tests.rig.listener import Listener
from tests.rig.processes import Process, python

_REPLY_S = 3.0

# What full duplex goes on after the reply was sent, until mmid has played it.
_AFTER_S = 1.0

_FLOOR = "bare websockets and pyalsaaudio"


def measure(effort: Effort) -> Iterator[Figure]:
    """Hold a dialog each in turns."""
    dialogs = {
        "duplex": "CPU per second of a full-duplex dialog",
        "push2talk": "CPU per second of push-to-talk",
    }
    for protocol, (mode, name) in product(PROTOCOLS, dialogs.items()):
        ours, bare = asyncio.run(_dialogs(protocol, mode, effort))
        yield Figure(with_cloud(name, protocol), "ms/s", ours, _FLOOR, bare, 1.3)


async def _dialogs(protocol: str, mode: str, effort: Effort) -> tuple[list[float], list[float]]:
    reply_s, ours, bare = effort.seconds(_REPLY_S, least=0.4), [], []
    hold = _push_to_talk if mode == "push2talk" else _full_duplex
    after_s = effort.seconds(_AFTER_S, least=0.3)
    seconds = reply_s if mode == "push2talk" else reply_s + after_s
    async with board(reply_s=reply_s, paced=True, work_mode=mode, protocol=protocol) as (
        made,
        listener,
    ):
        await hold(made, listener, seconds)  # what is loaded once does not count
        for number in range(effort.runs):
            if number:
                start = len(listener.heard)
                await listener.call("Connect")
                await listener.wait_for(".State", "listening", after=start)
            ours.append(await hold(made, listener, seconds) * 1000 / seconds)
            await listener.call("Disconnect")  # an open microphone would go on
            bare.append(await _bare(mode, made, seconds) * 1000 / seconds)
    return ours, bare


async def _push_to_talk(made: Board, listener: Listener, seconds: float) -> float:
    """Return the CPU seconds of a turn through mmid."""
    pid, start = made.process("mmid").pid, len(listener.heard)
    before = cpu_s(pid)
    await speak(listener, seconds)
    await hear_out(listener, start)
    return cpu_s(pid) - before


async def _full_duplex(made: Board, listener: Listener, seconds: float) -> float:
    """Return the CPU seconds of so long in full duplex, with one reply in it."""
    pid, start = made.process("mmid").pid, len(listener.heard)
    await asyncio.sleep(OPEN_BEFORE_S)
    before, began = cpu_s(pid), time.monotonic()
    await listener.call("Ask", "s", "go on")
    await hear_out(listener, start)
    await asyncio.sleep(began + seconds - time.monotonic())
    return cpu_s(pid) - before


async def _bare(mode: str, made: Board, seconds: float) -> float:
    """Return the CPU seconds of the same through the bare client."""
    facts = made.directory / "facts.json"
    told = {**made.cloud, "protocol": made.protocol, "mode": mode, "seconds": seconds}
    facts.write_text(json.dumps(told))
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
