"""What echo cancellation costs: CPU and memory of a dialog in duplex that has it, less one without.

Recorder and player run in real time on devices of alsa-lib's that are none; the microphone's
gives the echo of what the loudspeaker plays. The delay is searched for everywhere at the first
reply only, so another comes before the one that is counted. The same with a reply of silence is
what it costs between replies.

Ten milliseconds of CPU a second, and 1 MiB, are what a board can spare: whether they do depends
on the machine, and on what a core that slept pays for waking up. What mmid answers for is the
ratio to a floor, the bare calls of libspeexdsp (echo canceller, preprocessor, resampler) for the
same sound, ten times a second, which no binding can be without. Memory is the growth of a process
that has done all but this, when it begins to cancel.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.codecs import DOWN_HZ, PERIOD_MS, UP_HZ, Audience, Ears, cpu
from bench.figure import Effort, Figure
from bench.process import memory
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.capture.stream import CHUNK_MS
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer

_DEVICES = """\
pcm.null {{ type null }}
pcm.microphone {{
  type file  slave.pcm null  file /dev/null  infile "{heard}"  format raw
}}
"""

# A reply that is long enough to find its echo, and a pause after which a search is due again.
_FIRST_S, _PAUSE_S = 1.3, 1.2

# The echo comes that long after the reply was written. The jitter buffer and what the
# loudspeaker has ahead of time are a little less.
_ECHO_AFTER_S = 0.3
_ECHO_SHARE = 4  # it is a quarter as loud

# What a recording of four seconds costs more moves by a quarter: the median needs a few.
_RUNS = 5
_GOAL_MS, _GOAL_MIB = 10.0, 1.0

# Beside its library: 1.4 to 1.6 was reached, with other programs at work, and a margin.
_GOAL_RATIO = 1.7


@dataclass(frozen=True)
class Sound:
    """What a reply is, and what the microphone hears meanwhile.

    Attributes:
        before: a reply, of which nothing is counted, and a pause.
        counted: the reply that is.
        echo: of both.
    """

    before: bytes
    counted: bytes
    echo: bytes


def make_sound(seconds: float) -> Sound:
    """Make a reply of that length."""
    # With these the canceller comes, whose memory is measured in another process.
    from mmid.hal_linux.acceptance.echo import speech_like  # noqa: PLC0415
    from mmid.hal_linux.audio.echo.libspeexdsp import LibspeexdspResampler  # noqa: PLC0415

    counted = speech_like(DOWN_HZ, seconds)
    before = counted[: _bytes(_FIRST_S, DOWN_HZ)] + bytes(_bytes(_PAUSE_S, DOWN_HZ))
    softer = array("h", [one // _ECHO_SHARE for one in array("h", before + counted)]).tobytes()
    heard = LibspeexdspResampler(DOWN_HZ, UP_HZ).convert(softer)
    return Sound(before, counted, bytes(_bytes(_ECHO_AFTER_S, UP_HZ)) + heard)


def _bytes(seconds: float, rate_hz: int) -> int:
    return 2 * int(seconds * rate_hz)


def make_pair(*, cancelling: bool) -> tuple[AlsaRecorder, AlsaPlayer]:
    """Make microphone and loudspeaker, with or without a canceller between them."""
    recorder = AlsaRecorder("microphone", UP_HZ, PERIOD_MS)
    player = AlsaPlayer("null", DOWN_HZ, PERIOD_MS, SoftwareGain())
    if cancelling:
        # Here, because what they import is measured.
        from bench.bare_echo import TAIL_MS  # noqa: PLC0415
        from mmid.hal_linux.audio.echo.cancellation import connect  # noqa: PLC0415

        connect(recorder, player, tail_ms=TAIL_MS)
    return recorder, player


async def converse(
    recorder: AlsaRecorder, player: AlsaPlayer, reply: bytes, before: bytes = b""
) -> float:
    """Hear a reply out beside an open microphone, as in duplex; return the CPU seconds of it.

    Args:
        recorder: the microphone.
        player: the loudspeaker.
        reply: what is counted, for as long as it is.
        before: what is played before it.
    """
    audience = Audience()
    recorder.start(Ears(), beside_replies=True)
    player.start(audience)
    player.write(before + reply)
    player.finish()
    await asyncio.sleep(_ECHO_AFTER_S + len(before) / 2 / DOWN_HZ)
    began = time.process_time()
    await asyncio.sleep(len(reply) / 2 / DOWN_HZ)
    spent_s = time.process_time() - began
    await audience.finished.wait()
    recorder.stop()
    return spent_s


def added_cpu(reply: bytes, before: bytes = b"") -> float:
    """Return the CPU seconds that the canceller adds to a dialog."""
    cancelled, plain = (
        asyncio.run(converse(*make_pair(cancelling=cancelling), reply, before))
        for cancelling in (True, False)
    )
    return cancelled - plain


def bare(played: bytes, heard: bytes) -> None:
    """Cancel with nothing but the library's calls, as often as a recorder wakes."""
    from bench.bare_echo import BareCanceller  # noqa: PLC0415 - the library comes with it

    canceller = BareCanceller(DOWN_HZ)
    down, up = (_bytes(CHUNK_MS / 1000, rate_hz) for rate_hz in (DOWN_HZ, UP_HZ))
    for number in range(len(played) // down):
        time.sleep(CHUNK_MS / 1000)
        canceller.play(played[number * down : (number + 1) * down])
        canceller.clean(heard[number * up : (number + 1) * up])


def grown_mib() -> float:
    """Return by how much this process grows when it begins to cancel."""
    asyncio.run(converse(*make_pair(cancelling=False), bytes(DOWN_HZ)))
    before = memory(os.getpid()).rss
    pair = make_pair(cancelling=True)
    asyncio.run(converse(*pair, bytes(DOWN_HZ)))
    return memory(os.getpid()).rss - before


def measure(effort: Effort) -> Iterator[Figure]:
    """Take a dialog with and without, on devices that are none."""
    seconds = effort.seconds(4.0)
    sound = make_sound(seconds)
    with tempfile.TemporaryDirectory() as folder:
        configuration, heard = Path(folder) / "asound.conf", Path(folder) / "heard.raw"
        heard.write_bytes(sound.echo)
        configuration.write_text(_DEVICES.format(heard=heard))
        os.environ["ALSA_CONFIG_PATH"] = str(configuration)
        yield from _figures(sound, seconds, effort.times(_RUNS))


def _figures(sound: Sound, seconds: float, runs: int) -> Iterator[Figure]:
    # In a process of its own: what this one has loaded already would not count.
    command = [sys.executable, "-c", "from bench.echo import grown_mib; print(grown_mib())"]
    # As an installed mmid is, its modules are compiled: by the first run, which does not count.
    compiling = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    grown = [
        float(subprocess.check_output(command, timeout=60, env=compiling)) for _ in range(runs + 1)
    ][1:]
    times = []
    for _ in range(runs):
        silent_s = added_cpu(bytes(len(sound.counted)))
        added_s = added_cpu(sound.counted, sound.before)
        bare_s = cpu(lambda: bare(sound.counted, sound.echo[-2 * int(seconds * UP_HZ) :]))
        times.append([1000 * one / seconds for one in (silent_s, added_s, bare_s)])
    silent, added, bare_ms = zip(*times, strict=True)
    what = "CPU per second of echo cancellation"
    yield Figure(
        f"{what}, nothing played", "ms/s", silent, "a hundredth of a core", [_GOAL_MS], 1.0
    )
    # Where a machine's library alone takes more than that, only the ratio to it can judge mmid.
    goal = 1.0 if statistics.median(bare_ms) <= _GOAL_MS else None
    yield Figure(what, "ms/s", added, "a hundredth of a core", [_GOAL_MS], goal)
    yield Figure(
        f"{what}, beside its library",
        "ms/s",
        added,
        "bare calls of libspeexdsp",
        bare_ms,
        _GOAL_RATIO,
    )
    yield Figure("memory of echo cancellation", "MiB", grown, "1 MiB", [_GOAL_MIB], 1.0)
