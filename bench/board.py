"""The board that is measured: the tests' rig, with a dialog of known length."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from demo.speech import write_wav
from mmid.simcloud.core.voice import phrase
from tests.rig.alsa_plugin import compile_plugin
from tests.rig.board import PROTOCOLS, REPLY_HZ, Board, Tables, silence
from tests.rig.listener import Listener
from tests.rig.processes import EMULATED_START_S, Process

UP_HZ = 16000

# How long a microphone's file is: alsa-lib repeats stale data after its end.
_MICROPHONE_S = 120.0

_SCENARIO = """\
thinking_ms = 0
pace = {pace}
[[turn]]
reply_wav = "{reply_wav}"
{more}
"""

# Its braces are doubled, for the board formats it once more.
_PACED = """\
pcm_type.paced {{{{ lib "{plugin}" }}}}
pcm.microphone {{{{ type paced silent 1 echo {echo} }}}}
pcm.loudspeaker {{{{ type paced echo {echo} }}}}
"""


def with_cloud(name: str, protocol: str) -> str:
    """Return the name of a figure that is taken with each cloud; the first goes without saying."""
    return name if protocol == PROTOCOLS[0] else f"{name} ({protocol})"


@asynccontextmanager
async def board(
    *,
    reply_s: float = 0.3,
    pace: float = 1.0,
    more: str = "",
    paced: bool | Path = False,
    interpreter: str = sys.executable,
    cancelling: bool = False,
    work_mode: str = "push2talk",
    protocol: str = PROTOCOLS[0],
) -> AsyncIterator[tuple[Board, Listener]]:
    """Give a board that has started and listens, with a client on its bus.

    Args:
        reply_s: length of every reply.
        pace: how fast the cloud sends it, times real time; 0: as fast as it is read.
        more: further lines of the cloud's scenario.
        paced: the sound card takes its time, and runs over and under as a card does;
            otherwise it takes and gives at once what there is. A path: ``paced_pcm.c``
            compiled for another machine's interpreter.
        interpreter: the Python that runs mmid.
        cancelling: the paced microphone hears the loudspeaker, too quiet for a voice, and mmid
            takes it out.
        work_mode: who hears where a speech begins and ends.
        protocol: which cloud it talks with.
    """
    with tempfile.TemporaryDirectory(prefix="mmid-bench-") as folder:
        wav = Path(folder) / "reply.wav"
        rate_hz = REPLY_HZ[protocol]
        line, length = phrase(rate_hz), int(reply_s * rate_hz) * 2
        write_wav(wav, (line * (length // len(line) + 1))[:length], rate_hz)
        scenario = _SCENARIO.format(pace=float(pace), reply_wav=wav, more=more)
        silent = silence(_MICROPHONE_S)
        settings: Tables = {"dialog": {"work_mode": work_mode}}
        if cancelling:
            settings["audio"] = {"echo_canceller": "speex"}
        async with Board(
            Path(folder),
            microphone=silent,
            scenario=scenario,
            settings=settings,
            protocol=protocol,
        ) as made:
            made.interpreter = interpreter
            made.environment["MALLOC_ARENA_MAX"] = "1"  # as mmid.service has it
            if paced:
                here = paced is True
                plugin = compile_plugin("paced_pcm.c", Path(folder)) if here else paced
                made.asound = _PACED.format(plugin=plugin, echo=int(cancelling))
            listener = await made.start()
            await listener.wait_for(".State", "listening", timeout_s=EMULATED_START_S)
            yield made, listener


async def start_again(made: Board) -> None:
    """Stop mmid and start it once more, until the cloud listens."""
    await made.stop("mmid")
    await made.start_mmid()
    listener = await made.listener()
    await listener.wait_for(".State", "listening", timeout_s=EMULATED_START_S)


@asynccontextmanager
async def running(made: Board, command: list[str], *, speaks: bool = True) -> AsyncIterator[int]:
    """Run a program beside a board until the block ends; one that speaks says when it is ready."""
    process = Process(command, made.directory / "other.log")
    await process.start()
    try:
        if speaks:
            await process.first_line(EMULATED_START_S)
        yield process.pid
    finally:
        await process.stop()


async def speak(listener: Listener, seconds: float) -> float:
    """Press, hold, release; return when it was pressed, ``time.monotonic``."""
    pressed = time.monotonic()
    await listener.call("StartSpeech")
    await asyncio.sleep(pressed + seconds - time.monotonic())
    await listener.call("StopSpeech")
    return pressed


async def hear_out(listener: Listener, start: int) -> None:
    """Wait for the end of the reply, and until the cloud listens again."""
    ended = await listener.wait_for("TtsEnd", after=start)
    await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))
