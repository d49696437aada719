"""How quick a turn feels: press to first speech at the cloud, reply to loudspeaker, silence.

The floor of each is one period of the sound card (20 ms): speech that was not
recorded cannot be sent, and a loudspeaker is fed by the period. All clocks are
the same machine's: the cloud's journal has its own readings.
"""

import asyncio
import time
from collections.abc import Iterator

from bench.board import board, speak
from bench.figure import Effort, Figure
from tests.rig.board import Board
from tests.rig.listener import Listener

__all__ = ["measure"]

_PERIOD_MS = 20.0
# What the D-Bus call, the frame and TLS may take beyond the period.
_BESIDES_MS = 3.0
_PRESS_S = 0.4
_REPLY_S = 2.0
# So long somebody listens before interrupting: the loudspeaker is at it by then.
_HEARD_S = 0.2
# Several times real time, as the real cloud was seen to send.
_PACE = 8.0


def measure(effort: Effort) -> Iterator[Figure]:
    """Take as many turns as asked for, and one more to warm up."""
    press, reply, silence = asyncio.run(_turns(effort.runs))
    period = [_PERIOD_MS]
    floor = "one period"
    goal = (_PERIOD_MS + _BESIDES_MS) / _PERIOD_MS
    yield Figure("press to first speech on the wire", "ms", press, floor, period, goal)
    yield Figure("reply, first audio sent to ALSA write", "ms", reply, floor, period, 1.0)
    yield Figure("Interrupt to silence", "ms", silence, floor, period, 1.5)


async def _turns(runs: int) -> tuple[list[float], list[float], list[float]]:
    pressed, silences = [], []
    async with board(reply_s=_REPLY_S, pace=_PACE) as (made, listener):
        for _ in range(runs + 1):
            start = len(listener.heard)
            pressed.append(await speak(listener, _PRESS_S))
            silences.append(await _interrupt(listener, start))
        first_speech = _times(made, "speech-begin")
        replies = list(_reply_times_ms(made))
    presses = [(speech - press) * 1000 for press, speech in zip(pressed, first_speech, strict=True)]
    return presses[1:], replies[1:], silences[1:]


async def _interrupt(listener: Listener, start: int) -> float:
    """Interrupt the reply: when the call returns, the device has dropped what it held."""
    await listener.wait_for("TtsStart", after=start)
    await asyncio.sleep(_HEARD_S)
    begun, start = time.monotonic(), len(listener.heard)
    await listener.call("Interrupt")
    taken_ms = (time.monotonic() - begun) * 1000
    await listener.wait_for("SpeechPrepare", after=start)
    return taken_ms


def _times(made: Board, kind: str) -> list[float]:
    return [entry["t"] for entry in made.journal(kind)]


def _reply_times_ms(made: Board) -> Iterator[float]:
    """From each reply's first audio at the cloud to what mmid says when ALSA has it."""
    begun = None
    for entry in made.journal():
        if entry["kind"] == "reply-begin":
            begun = entry["t"]
        elif begun is not None and entry.get("name") == "LocalRespondingStarted":
            yield (entry["t"] - begun) * 1000
            begun = None
