"""What badly behaved programs on the bus do to a dialog: nothing, or how much.

A board has dialogs while another process storms ``org.mmid1`` (``bench.storms``).
Its sound card runs over and under as a real one does, and another client calls now
and then as a well-behaved program would. The baseline of every figure is a turn
in the calm, of the same run; of the lost sound, it is the periods of sound in all
turns, and the goal is to lose no more than one in 200 beyond what the calm did. The
first storm, ``busy``, is none on the bus: it is what any program does that computes.

The last figure is no storm: how soon the microphone is free after its holder was
killed. The floor is the bus's own signal that the holder has left.
"""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from statistics import median

from bench.board import board, speak
from bench.figure import Effort, Figure
from bench.process import forget_peak, peak_mib
from bench.storms import BEGUN, STORMS
from mmid.dbus.bus import Bus
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import AUDIO, DBUS, DIALOG, NAME, PATH
from mmid.dbus.wire import Message
from tests.rig.board import Board
from tests.rig.listener import Listener
from tests.rig.processes import Process, python

_SPEECH_S, _REPLY_S = 1.0, 2.0
_PERIODS_PER_S = 50
_CALM = "calm"

# From release to the end of the reply is the reply's own length, and little more.
_TIME_GOAL = 1.05
_MEMORY_GOAL = 1.2
_LOSS_GOAL = 0.005

# Milliseconds that differ by half from one to the next, and quickly taken: more than one a run.
_LEASES = 10

# The bus tells at once who has left it, or is broken.
_LEFT_S = 20.0


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of one turn.

    Attributes:
        good: it ended as it should.
        end_ms: from the release of the key to the end of the reply, or until it was given up.
        ping_ms: the median round trip of another client's calls meanwhile.
        lost: overruns and underruns.
        memory_mib: the daemon's peak in this turn.
    """

    good: bool
    end_ms: float
    ping_ms: float
    lost: int
    memory_mib: float


def measure(effort: Effort) -> Iterator[Figure]:
    """Take all weathers in turns; then kill who holds the microphone."""
    turns, freed, told = asyncio.run(_weathers(effort))
    for name in STORMS:
        yield from _figures(name, effort, turns[name], turns[_CALM])
    yield Figure("holder killed to microphone free", "ms", freed, "the bus tells it", told, 2.0)


def _figures(
    name: str, effort: Effort, stormy: Sequence[Turn], calm: Sequence[Turn]
) -> Iterator[Figure]:
    def figure(what: str, unit: str, field: str, goal: float | None) -> Figure:
        ours, bare = ([getattr(turn, field) for turn in turns] for turns in (stormy, calm))
        return Figure(f"{name}: {what}", unit, ours, "a turn in the calm", bare, goal)

    yield figure("release to the reply's end", "ms", "end_ms", _TIME_GOAL)
    yield figure("another client's call", "ms", "ping_ms", None)
    yield figure("peak memory", "MiB", "memory_mib", _MEMORY_GOAL)
    seconds = effort.runs * (effort.seconds(_SPEECH_S) + effort.seconds(_REPLY_S))
    periods = seconds * _PERIODS_PER_S
    lost, lost_in_calm = (sum(turn.lost for turn in turns) for turns in (stormy, calm))
    goal = lost_in_calm / periods + _LOSS_GOAL
    yield Figure(f"{name}: periods lost", "periods", [lost], "those of all turns", [periods], goal)


async def _weathers(effort: Effort) -> tuple[dict[str, list[Turn]], list[float], list[float]]:
    """Return the turns in each weather, and what ``_leases`` does."""
    speech_s, reply_s = effort.seconds(_SPEECH_S), effort.seconds(_REPLY_S)
    turns: dict[str, list[Turn]] = {name: [] for name in (_CALM, *STORMS)}
    async with board(reply_s=reply_s, paced=True) as (made, listener):
        await turn(made, listener, speech_s)  # the first one loads and opens
        for _ in range(effort.runs):
            turns[_CALM].append(await turn(made, listener, speech_s))
            for name in STORMS:
                async with storm(name, made):
                    turns[name].append(await turn(made, listener, speech_s))
        return turns, *await _leases(made, listener, effort.times(_LEASES))


@asynccontextmanager
async def storm(name: str, made: Board) -> AsyncIterator[None]:
    """Run a storm beside the block."""
    process = Process(python("bench.storms", name, made.bus), made.directory / "storm.log")
    await process.start()
    try:
        if await process.first_line() != BEGUN:
            raise RuntimeError(f"the storm {name} did not begin: {process.log_text()}")
        yield
    finally:
        if await process.stop(signal.SIGKILL) != -signal.SIGKILL:
            raise RuntimeError(f"the storm {name} ended by itself: {process.log_text()}")


async def turn(made: Board, listener: Listener, speech_s: float) -> Turn:
    """Speak, and hear the reply, while another client calls."""
    pid = made.process("mmid").pid
    forget_peak(pid)
    before = await _lost(listener)
    pings: list[float] = []
    calling = asyncio.create_task(_call_now_and_then(made.bus, pings))
    released = time.monotonic() + speech_s
    try:
        start = len(listener.heard)
        await speak(listener, speech_s)
        ended = await listener.wait_for("TtsEnd", after=start)
        await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))
        good, end = True, ended.at
    except (AssertionError, CallFailed) as error:
        print(f"a turn failed: {error!r}", file=sys.stderr)
        good, end = False, time.monotonic()
    finally:
        calling.cancel()
        with suppress(asyncio.CancelledError):
            await calling
    lost = await _lost(listener) - before
    return Turn(good, (end - released) * 1000, median(pings), lost, peak_mib(pid))


async def _call_now_and_then(address: str, took_ms: list[float]) -> None:
    bus = await Bus.connect(address)
    try:
        while True:
            started = time.monotonic()
            await bus.call(NAME, PATH, DBUS + ".Peer", "Ping")
            took_ms.append((time.monotonic() - started) * 1000)
            await asyncio.sleep(0.02)
    finally:
        await bus.close()


async def _lost(listener: Listener) -> int:
    """Return how often sound was lost or late so far."""
    overruns = await listener.client.get(AUDIO, "RecorderOverruns")
    underruns = await listener.client.get(AUDIO, "PlayerUnderruns")
    return int(overruns) + int(underruns)


async def _leases(made: Board, listener: Listener, times: int) -> tuple[list[float], list[float]]:
    """Return when the microphone was free and when the bus told of the holder's end, ms."""
    freed, told = [], []
    witness = await Bus.connect(made.bus)
    left: asyncio.Queue[tuple[str, float]] = asyncio.Queue()

    def hear(message: Message) -> None:
        if message.member == "NameOwnerChanged" and not message.body[2]:
            left.put_nowait((message.body[0], time.monotonic()))

    witness.on_signal = hear
    await witness.ask_bus("AddMatch", "s", f"sender='{DBUS}',member='NameOwnerChanged'")
    for _ in range(times):
        start = len(listener.heard)
        async with storm("hold", made):
            await listener.wait_for("SpeechStart", after=start)
            holder = await listener.client.get(DIALOG, "Talker")
            start, killed = len(listener.heard), time.monotonic()
        free = await listener.wait_for(".Talker", "", after=start)
        freed.append((free.at - killed) * 1000)
        async with asyncio.timeout(_LEFT_S):
            while (gone := await left.get())[0] != holder:
                pass  # another client of the bus, which left before
        told.append((gone[1] - killed) * 1000)
    await witness.close()
    return freed, told
