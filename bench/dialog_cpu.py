"""CPU per second of a dialog: capture, uplink, downlink, playback, events on the bus.

In full duplex the microphone is open all the time, and a reply is played meanwhile. A
turn of push-to-talk has half the sound at a time for the same events and calls. The floor is
a client of one page (``bench.bare_dialog``) that does the same against the same cloud
with nothing but websockets and pyalsaaudio, no bus and no checks. They take turns, with each
cloud. What a core that slept pays for waking up, and other work on the machine, move these
figures by a tenth and more. So none of them is a goal: ``instructions`` counts the same
dialogs without that, and is what mmid is judged by.
"""

import asyncio
import sys
from collections.abc import Iterator
from itertools import product

from bench.board import with_cloud
from bench.dialogs import Kind, Machine, hold
from bench.figure import Effort, Figure
from bench.process import cpu_s
from tests.rig.board import PROTOCOLS

_FLOOR = "bare websockets and pyalsaaudio"

_NAMES = {
    "duplex": "CPU per second of a full-duplex dialog",
    "push2talk": "CPU per second of push-to-talk",
}


def measure(effort: Effort) -> Iterator[Figure]:
    """Hold a dialog each in turns."""
    machine = Machine(sys.executable, True, lambda pid: 1000 * cpu_s(pid), {})
    for protocol, (mode, name) in product(PROTOCOLS, _NAMES.items()):
        ours, bare = asyncio.run(hold(Kind(protocol, mode), machine, effort))
        yield Figure(with_cloud(name, protocol), "ms/s", ours, _FLOOR, bare)
