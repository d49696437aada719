"""What a codec costs: CPU per second of audio, recorded and played at once.

Each codec runs twice over the same sound, in real time, on ALSA's ``null``
device: through mmid's recorder and player, and by the bare calls of the
libraries on an event loop that does nothing else. That is the floor: it wakes as
seldom as mmid does, for 100 ms of speech and for 200 ms of a reply, and a core that
slept pays more for waking up than for the sound. The figure that counts is the ratio
of the two, the median of the runs: it says what mmid adds, whatever the machine. The
longest piece is the most CPU that one piece of a reply (at most 120 ms of sound) takes
before other work of the event loop has its turn: a period, or the sound card would run
dry.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import alsaaudio  # type: ignore[import-not-found,unused-ignore]

from bench.figure import Effort, Figure
from mmid.errors import AudioDeviceFailed, AudioFormatRefused
from mmid.hal import Player, Recorder
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.capture.stream import CHUNK_MS
from mmid.hal_linux.audio.codecs import make_decoder, make_encoder
from mmid.hal_linux.audio.codecs.libopus import LibopusDecoder, LibopusEncoder
from mmid.hal_linux.audio.codecs.mp3 import Libmpg123
from mmid.hal_linux.audio.codecs.mp3_frames import Mp3Frames
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from mmid.simcloud.core.codecs import ReplyFormat, encode
from mmid.simcloud.core.voice import phrase

UP_HZ, DOWN_HZ = 16000, 24000
PERIOD_MS = 20
AHEAD_BYTES = 65536
REFILL_MS = 200  # so much of a reply goes to the device at a time
BITS_PER_S = 32_000
OPUS_MS = 60

# Downlink codec -> uplink codec that goes with it.
CODECS = {"pcm": "pcm", "mp3": "pcm", "opus": "pcm", "raw-opus": "raw-opus"}


@dataclass(frozen=True)
class Sound:
    """A reply: its samples, what the cloud sends of them, and what a library is given."""

    samples: bytes
    frames: tuple[bytes, ...]
    units: tuple[bytes, ...]

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / 2 / DOWN_HZ


class Ears:
    """Hears what is recorded, and forgets it."""

    def recorder_audio(self, data: bytes) -> None:
        """Forget it."""

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        """End the benchmark."""
        raise error


class Audience:
    """Waits for the end of a reply."""

    def __init__(self) -> None:
        self.finished = asyncio.Event()

    def player_started(self) -> None:
        """Do nothing."""

    def player_finished(self) -> None:
        """Note it."""
        self.finished.set()

    def player_failed(self, error: AudioDeviceFailed) -> None:
        """End the benchmark."""
        raise error

    def player_refused(self, error: AudioFormatRefused) -> None:
        """End the benchmark."""
        raise error


def make_sound(mode: str, seconds: float) -> Sound:
    """Make a reply of that length."""
    notes = phrase(DOWN_HZ)
    samples = (notes * (int(seconds * DOWN_HZ * 2) // len(notes) + 1))[: int(seconds * DOWN_HZ) * 2]
    if mode == "pcm":
        frames = tuple(samples[at : at + 8000] for at in range(0, len(samples), 8000))
        return Sound(samples, frames, frames)
    frames = encode(samples, ReplyFormat(mode, DOWN_HZ, OPUS_MS, 32))
    if mode == "mp3":
        return Sound(samples, frames, tuple(Mp3Frames().cut(b"".join(frames))))
    packets = encode(samples, ReplyFormat("raw-opus", DOWN_HZ, OPUS_MS, 32))
    return Sound(samples, frames, packets)


def cpu(work: Callable[[], None]) -> float:
    """Return the CPU seconds of this process that the work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


async def bare(mode: str, sound: Sound) -> None:
    """Record and play in real time with nothing but the calls of the libraries."""
    await asyncio.gather(bare_record(CODECS[mode], sound.seconds), bare_play(mode, sound))


async def bare_record(mode: str, seconds: float) -> None:
    """Read a chunk as often as mmid's recorder does, and encode it."""
    pcm, encode_frame = open_null(alsaaudio.PCM_CAPTURE, UP_HZ), bare_encoder(mode)
    async for _ in ticks(CHUNK_MS / 1000, seconds):
        for _ in range(CHUNK_MS // PERIOD_MS):
            encode_frame(pcm.read()[1])
    pcm.drop()
    pcm.close()


async def bare_play(mode: str, sound: Sound) -> None:
    """Decode and write as much as mmid's player refills its device with, as often."""
    pcm, decode = open_null(alsaaudio.PCM_PLAYBACK, DOWN_HZ), bare_decoder(mode)
    chunk = DOWN_HZ * REFILL_MS // 1000 * 2
    units, waiting = iter(sound.units), b""
    # Two devices are out of step: each has a clock of its own.
    await asyncio.sleep(CHUNK_MS / 2 / 1000)
    async for _ in ticks(REFILL_MS / 1000, sound.seconds):
        while len(waiting) < chunk and (unit := next(units, None)) is not None:
            waiting += decode(unit)
        pcm.write(waiting[:chunk])
        waiting = waiting[chunk:]
    pcm.drop()
    pcm.close()


async def ticks(every_s: float, for_s: float) -> AsyncIterator[None]:
    """Yield at once, and then each time when so many seconds have passed, for so long."""
    began = time.monotonic()
    for number in range(1, round(for_s / every_s) + 1):
        yield
        await asyncio.sleep(began + number * every_s - time.monotonic())


def open_null(kind: int, rate_hz: int) -> Any:
    """Open the device that is no device."""
    return alsaaudio.PCM(
        type=kind,
        device="null",
        rate=rate_hz,
        channels=1,
        format=alsaaudio.PCM_FORMAT_S16_LE,
        periodsize=rate_hz * PERIOD_MS // 1000,
    )


def bare_decoder(mode: str) -> Callable[[bytes], bytes]:
    """Return the library's call that decodes a frame or packet."""
    if mode == "pcm":
        return lambda unit: unit
    library = Libmpg123(DOWN_HZ, mode) if mode == "mp3" else LibopusDecoder(DOWN_HZ, mode)
    return lambda unit: library.decode(unit) or b""


def bare_encoder(mode: str) -> Callable[[bytes], bytes]:
    """Return the library's call that encodes 20 ms."""
    if mode == "pcm":
        return lambda frame: frame
    return LibopusEncoder(UP_HZ, BITS_PER_S, mode).encode


async def ours(mode: str, sound: Sound) -> None:
    """Record and play as the daemon does, in real time."""
    recorder, player = make_recorder(CODECS[mode]), make_player(mode)
    audience = Audience()
    recorder.start(Ears())
    player.start(audience)
    for frame in sound.frames:
        player.write(frame)
        await player.wait_room()
    player.finish()
    await audience.finished.wait()
    recorder.stop()


def make_recorder(mode: str) -> Recorder:
    """Make the daemon's recorder."""
    encoder = None if mode == "pcm" else make_encoder(mode, UP_HZ, BITS_PER_S)
    return AlsaRecorder("null", UP_HZ, PERIOD_MS, encoder)


def make_player(mode: str) -> Player:
    """Make the daemon's player."""
    decoder = None if mode == "pcm" else make_decoder(mode, DOWN_HZ)
    gain = SoftwareGain()
    return AlsaPlayer("null", DOWN_HZ, PERIOD_MS, gain, decoder=decoder, ahead_bytes=AHEAD_BYTES)


def worst_piece_ms(mode: str, sound: Sound) -> float:
    """Return the CPU time of the piece that takes the longest, in ms."""
    if mode == "pcm":
        return 0.0
    decoder, worst = make_decoder(mode, DOWN_HZ), 0.0
    decoder.reset()
    for frame in sound.frames:
        pieces, more = iter(decoder.decode(frame)), True
        while more:
            began = time.thread_time()
            more = next(pieces, None) is not None
            worst = max(worst, time.thread_time() - began)
    return worst * 1000


def measure(effort: Effort) -> Iterator[Figure]:
    """Take each codec, on a device that is none."""
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "asound.conf"
        configuration.write_text("pcm.null { type null }\n")
        os.environ["ALSA_CONFIG_PATH"] = str(configuration)
        for mode in CODECS:
            yield from _figures(mode, effort)


def _figures(mode: str, effort: Effort) -> Iterator[Figure]:
    sound = make_sound(mode, effort.seconds(3.0))
    asyncio.run(ours(mode, make_sound(mode, 0.3)))  # what is loaded once does not count
    per_second = 1000 / sound.seconds
    times = [
        (
            cpu(lambda: asyncio.run(ours(mode, sound))) * per_second,
            cpu(lambda: asyncio.run(bare(mode, sound))) * per_second,
        )
        for _ in range(effort.runs)
    ]
    mmid_ms, bare_ms = zip(*times, strict=True)
    what = f"CPU per second, {CODECS[mode]} up and {mode} down"
    # Without a codec nearly all of it is what a core pays for waking up, which moves by a half from
    # run to run on a quiet machine. ``instructions`` has the dialogs, whose sound it is.
    goal = None if mode == "pcm" else 1.3
    yield Figure(what, "ms/s", mmid_ms, "bare calls of the libraries", bare_ms, goal)
    if mode != "pcm":
        worst = [worst_piece_ms(mode, sound) for _ in range(effort.runs)]
        what = f"longest piece of decoding, {mode}"
        yield Figure(what, "ms", worst, "one period", [PERIOD_MS], 1.0)
