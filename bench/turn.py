"""How quick a turn feels: from each thing a person or the cloud does to what comes of it.

The floor of each is one period of the sound card (20 ms): speech that was not
recorded cannot be sent, and a loudspeaker is fed by the period. All clocks are the
same machine's: the cloud's journal has its own readings, mmid's timeline has when the
loudspeaker began. A hundred turns are taken with each cloud; of the reply the slowest one
in a hundred is told, too.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.board import board, with_cloud
from bench.figure import Effort, Figure
from tests.rig.board import PROTOCOLS
from tests.rig.listener import DIALOG, Listener

_PERIOD_MS = 20.0
# What the D-Bus call, the frame and TLS may take beyond the period.
_BESIDES_MS = 3.0
_TURNS = 100
_PRESS_S = 0.2
# A cloud that takes ten messages a second, three of them a turn, is given the time of a slow
# person; or what is measured is how long they wait. A rest between the turns would do, too, but
# after one mmid's code is out of the processor's caches: 2 ms more of each press, with each cloud.
_LONGER_PRESS_S = {"baidu-rtc": 0.4}
_REPLY_S = 2.0
# So long somebody listens before interrupting: the loudspeaker is at it by then.
_HEARD_S = 0.1
# Several times real time, as the real cloud was seen to send.
_PACE = 8.0

# What a turn's waiting is made of, as far as mmid has a part in it, and the goals in periods.
STRETCHES = {
    "press to first speech on the wire": (_PERIOD_MS + _BESIDES_MS) / _PERIOD_MS,
    "release to end of speech on the wire": None,
    "final text sent to its signal heard": None,
    "reply, first audio sent to ALSA write": 1.0,
    "Interrupt to silence": 1.5,
}

# What each cloud's journal calls the end of a speech and the final text of it.
_NAMES = {
    "multimodal-dialog": ("StopSpeech", "SpeechContent"),
    "qwen-realtime": (
        "input_audio_buffer.commit",
        "conversation.item.input_audio_transcription.completed",
    ),
    "baidu-rtc": ("[E]:[CMD]:[ASR_STOP_LONGTEXT_REC]", "[Q]"),
}


@dataclass
class _Turn:
    """When things happened in one turn, ``time.monotonic``."""

    pressed: float = 0.0
    released: float = 0.0
    understood: float = 0.0  # a client heard the final text
    heard: float = 0.0  # the reply's first samples were written to the loudspeaker
    interrupted: float = 0.0
    silent: float = 0.0
    cloud: dict[str, float] = field(default_factory=dict)  # by what it saw: ``_note``

    def stretches(self) -> list[float]:
        """Return the length of each stretch, in ms and in the order of ``STRETCHES``."""
        cloud = self.cloud
        ends = [
            cloud["speech"] - self.pressed,
            cloud["release"] - self.released,
            self.understood - cloud["text"],
            self.heard - cloud["reply"],
            self.silent - self.interrupted,
        ]
        return [1000 * seconds for seconds in ends]


def measure(effort: Effort) -> Iterator[Figure]:
    """Take the turns, and one more to warm up, with each cloud."""
    for protocol in PROTOCOLS:
        turns = asyncio.run(_turns(protocol, effort.times(_TURNS, least=2)))
        columns = list(zip(*(turn.stretches() for turn in turns), strict=True))
        floor, period = "one period", [_PERIOD_MS]
        for (name, goal), values in zip(STRETCHES.items(), columns, strict=True):
            yield Figure(with_cloud(name, protocol), "ms", values, floor, period, goal)
        slow = statistics.quantiles(columns[3], n=100, method="inclusive")[-1]
        name = with_cloud("the same, slowest in a hundred", protocol)
        yield Figure(name, "ms", [slow], floor, period, 1.0)


async def _turns(protocol: str, count: int) -> list[_Turn]:
    async with board(reply_s=_REPLY_S, pace=_PACE, protocol=protocol) as (made, listener):
        press_s = _LONGER_PRESS_S.get(protocol, _PRESS_S)
        turns = [await _turn(listener, press_s) for _ in range(count + 1)]
        journal = made.journal()
    for turn, following in zip(turns, [*turns[1:], None], strict=True):
        until = following.pressed if following else float("inf")
        seen = [entry for entry in journal if turn.pressed <= entry["t"] < until]
        _note(turn, seen, *_NAMES[protocol])
    return turns[1:]


async def _turn(listener: Listener, press_s: float) -> _Turn:
    """Press, hold, release; interrupt the reply, and wait until the cloud listens again."""
    turn, start = _Turn(pressed=time.monotonic()), len(listener.heard)
    await listener.call("StartSpeech")
    await asyncio.sleep(turn.pressed + press_s - time.monotonic())
    turn.released = time.monotonic()
    await listener.call("StopSpeech")
    turn.understood = (await listener.wait_for("AsrComplete", after=start)).at
    await listener.wait_for("TtsStart", after=start)
    await asyncio.sleep(_HEARD_S)
    turn.interrupted, start = time.monotonic(), len(listener.heard)
    await listener.call("Interrupt")
    # When the call returns, the device has dropped what it held.
    turn.silent = time.monotonic()
    await listener.wait_for("SpeechPrepare", after=start)
    turn.heard = await _heard(listener)
    return turn


async def _heard(listener: Listener) -> float:
    """Return when the last reply was first heard, by mmid's own timeline.

    It tells the press by the wall clock, in whole milliseconds and rounded down: so it may
    have been one later.
    """
    [turns] = await listener.client.call(DIALOG, "GetTimeline")
    wall_s: float = (turns[-1]["began"] + 1 + turns[-1]["heard"]) / 1000
    return wall_s - time.time() + time.monotonic()


def _note(turn: _Turn, journal: list[dict[str, Any]], release: str, text: str) -> None:
    """Find in the cloud's journal what it saw of a turn, each the first time."""
    for entry in journal:
        name = {"speech-begin": "speech", "reply-begin": "reply"}.get(entry["kind"])
        if entry["kind"] == "directive" and entry["name"] == release:
            name = "release"
        elif entry.get("name") == text and entry.get("finished", True):
            name = "text"
        if name is not None:
            turn.cloud.setdefault(name, entry["t"])
