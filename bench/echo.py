"""What echo cancellation costs: CPU and memory of a dialog in duplex that has it, less one without.

Recorder and player run in real time, on ALSA's ``null`` device, while a reply plays: its first
second is searched for the delay. The same with a reply of silence is what it costs between
replies. The floor is a fixed 10 ms of CPU a second and 1 MiB, and the bare calls of libspeexdsp
(echo canceller, preprocessor, resampler) for the same sound: what no binding can be without.
Memory is the growth of a process that has done all but this, when it begins to cancel.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.codecs import DOWN_HZ, PERIOD_MS, UP_HZ, Audience, Ears, cpu
from bench.figure import Effort, Figure
from bench.process import memory
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer


def make_pair(*, cancelling: bool) -> tuple[AlsaRecorder, AlsaPlayer]:
    """Make microphone and loudspeaker, with or without a canceller between them."""
    recorder = AlsaRecorder("null", UP_HZ, PERIOD_MS)
    player = AlsaPlayer("null", DOWN_HZ, PERIOD_MS, SoftwareGain())
    if cancelling:
        # Here, because what they import is measured.
        from bench.bare_echo import TAIL_MS  # noqa: PLC0415
        from mmid.hal_linux.audio.echo.cancellation import connect  # noqa: PLC0415

        connect(recorder, player, tail_ms=TAIL_MS)
    return recorder, player


async def converse(recorder: AlsaRecorder, player: AlsaPlayer, reply: bytes) -> None:
    """Hear a reply out beside an open microphone, as in duplex."""
    audience = Audience()
    recorder.start(Ears(), beside_replies=True)
    player.start(audience)
    player.write(reply)
    player.finish()
    await audience.finished.wait()
    recorder.stop()


def dialog_cpu(reply: bytes, *, cancelling: bool) -> float:
    """Return the CPU seconds of such a dialog."""
    pair = make_pair(cancelling=cancelling)
    return cpu(lambda: asyncio.run(converse(*pair, reply)))


def _added_cpu(reply: bytes) -> float:
    return dialog_cpu(reply, cancelling=True) - dialog_cpu(reply, cancelling=False)


def bare(seconds: float) -> None:
    """Cancel so much sound with nothing but the library's calls, as often as a recorder wakes."""
    from bench.bare_echo import BareCanceller  # noqa: PLC0415 - the library comes with it

    canceller = BareCanceller(DOWN_HZ)
    heard, played = os.urandom(UP_HZ // 10 * 2), os.urandom(DOWN_HZ // 10 * 2)
    for _ in range(int(seconds * 10)):
        time.sleep(0.1)
        canceller.play(played)
        canceller.clean(heard)


def grown_mib() -> float:
    """Return by how much this process grows when it begins to cancel."""
    asyncio.run(converse(*make_pair(cancelling=False), bytes(DOWN_HZ)))
    before = memory(os.getpid()).rss
    pair = make_pair(cancelling=True)
    asyncio.run(converse(*pair, bytes(DOWN_HZ)))
    return memory(os.getpid()).rss - before


def measure(effort: Effort) -> Iterator[Figure]:
    """Take a dialog with and without, on a device that is none."""
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "asound.conf"
        configuration.write_text("pcm.null { type null }\n")
        os.environ["ALSA_CONFIG_PATH"] = str(configuration)
        yield from _figures(effort.seconds(5.0), effort.runs)


def _figures(seconds: float, runs: int) -> Iterator[Figure]:
    # In a process of its own: what this one has loaded already would not count.
    command = [sys.executable, "-c", "from bench.echo import grown_mib; print(grown_mib())"]
    # As an installed mmid is, its modules are compiled: by the first run, which does not count.
    compiling = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    grown = [
        float(subprocess.check_output(command, timeout=60, env=compiling)) for _ in range(runs + 1)
    ][1:]
    from mmid.hal_linux.acceptance.echo import speech_like  # noqa: PLC0415 - with the canceller

    reply = speech_like(DOWN_HZ, seconds)
    times = []
    for _ in range(runs):
        silent_s, added_s = _added_cpu(bytes(len(reply))), _added_cpu(reply)
        bare_s = cpu(lambda: bare(seconds))
        times.append([1000 * one / seconds for one in (silent_s, added_s, bare_s)])
    silent, added, bare_ms = zip(*times, strict=True)
    what = "CPU per second of echo cancellation"
    yield Figure(f"{what}, nothing played", "ms/s", silent, "a hundredth of a core", [10.0], 1.0)
    yield Figure(what, "ms/s", added, "a hundredth of a core", [10.0], 1.0)
    yield Figure(f"{what}, beside its library", "ms/s", added, "bare calls of libspeexdsp", bare_ms)
    yield Figure("memory of echo cancellation", "MiB", grown, "1 MiB", [1.0], 1.0)
