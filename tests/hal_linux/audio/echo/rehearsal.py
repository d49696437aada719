"""A dialog in a room, faster than real time: the canceller gets what two cards would give it."""

import ctypes
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from operator import add, mul
from pathlib import Path
from tempfile import TemporaryDirectory

from demo.speech import speak
from mmid.hal_linux.audio.echo.alignment import Alignment
from mmid.hal_linux.audio.echo.canceller import EchoCanceller
from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS
from mmid.hal_linux.audio.echo.reference import Reference

RATE_HZ = 16000
_FRAME_S = FRAME_MS / 1000
_LEAD_S = 0.08

_REPLY = (
    "The quick brown fox jumps over the lazy dog, and then it walks home to see what the "
    "weather will be like tomorrow. In the morning there is rain, in the afternoon the sun "
    "comes out, and in the evening a light wind from the west. "
)
TALKER = "Stop, please, that is enough. I would like to hear some music instead. "


@cache
def speech(seconds: float, rate_hz: int = RATE_HZ, text: str = _REPLY) -> bytes:
    """Return so much of espeak-ng's voice: 16-bit mono."""
    with TemporaryDirectory() as directory:
        samples = speak(text * (1 + int(seconds / 4)), rate_hz, Path(directory))
    return samples[: int(seconds * rate_hz) * 2]


def decibels(samples: bytes) -> float:
    """Return the loudness, in dB of one step of a sample."""
    numbers = array("h", samples)
    return 10 * math.log10(sum(map(mul, numbers, numbers)) / max(1, len(numbers)) + 1e-9)


@dataclass(frozen=True, slots=True)
class Room:
    """What is between loudspeaker and microphone; see ``room_pcm.c``."""

    delay_ms: float = 20
    gain: float = 25
    rt60_ms: float = 100
    drift_ppm: float = 0
    clip: float = 0
    noise: float = 3


class RoomLibrary:
    """``room_pcm.c``, without ALSA.

    Args:
        plugin: where it was compiled to.
    """

    def __init__(self, plugin: Path) -> None:
        self._library = library = ctypes.CDLL(str(plugin))
        real, whole, samples = ctypes.c_double, ctypes.c_int, ctypes.c_char_p
        library.room_new.restype = ctypes.c_void_p
        library.room_new.argtypes = [real] * 6
        library.room_change.argtypes = [ctypes.c_void_p, real, real]
        library.room_play.argtypes = [ctypes.c_void_p, samples, whole]
        library.room_hear.argtypes = [ctypes.c_void_p, samples, samples, whole]
        library.room_free.argtypes = [ctypes.c_void_p]

    def frames(
        self, room: Room, reply: bytes, reply_hz: int, rate_hz: int, changes: dict[int, Room]
    ) -> Iterator[bytes]:
        """Yield what the microphone hears, a frame at a time; the room changes in those frames."""
        frame = rate_hz * FRAME_MS // 1000
        options = (room.rt60_ms, room.drift_ppm, room.clip, room.noise)
        made = self._library.room_new(reply_hz, rate_hz, *options)
        try:
            self._library.room_change(made, room.delay_ms, room.gain)
            self._library.room_play(made, reply, len(reply) // 2)
            out = ctypes.create_string_buffer(2 * frame)
            count = 0
            while True:
                if change := changes.get(count):
                    self._library.room_change(made, change.delay_ms, change.gain)
                self._library.room_hear(made, out, None, frame)
                count += 1
                yield out.raw
        finally:
            self._library.room_free(made)


@dataclass(slots=True)
class Outcome:
    """What went in and came out, frame by frame, and what was thought of it."""

    heard: list[bytes] = field(default_factory=list)
    left: list[bytes] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    drift_ppm: float = 0.0
    delay: int | None = None

    def erle_db(self, begin_s: float, end_s: float) -> float:
        """Return by how much less loud it got between two moments."""
        heard, left = (decibels(self._part(one, begin_s, end_s)) for one in (self.heard, self.left))
        return heard - left

    def loudest_db(self, begin_s: float = 0.0, end_s: float = 1000.0) -> float:
        """Return the loudness of the loudest 20 ms that came out."""
        left, block = self._part(self.left, begin_s, end_s), RATE_HZ // 50 * 2
        return max(decibels(left[at : at + block]) for at in range(0, len(left), block))

    def loudness_db(self, begin_s: float, end_s: float) -> float:
        """Return the loudness of what came out."""
        return decibels(self._part(self.left, begin_s, end_s))

    def since_on_s(self, after_s: float = 0.0) -> float:
        """Return how long after a moment the canceller was on."""
        states = self.states[_frame_at(after_s) :]
        return states.index("on") * _FRAME_S

    def _part(self, frames: list[bytes], begin_s: float, end_s: float) -> bytes:
        return b"".join(frames[int(begin_s / _FRAME_S) : int(end_s / _FRAME_S)])


def rehearse(
    library: RoomLibrary,
    room: Room,
    reply: bytes,
    *,
    reply_hz: int = RATE_HZ,
    rate_hz: int = RATE_HZ,
    tail_ms: int = 200,
    talker: bytes = b"",
    changes: dict[float, Room] | None = None,
    breaks: tuple[float, ...] = (),
    turned: tuple[float, ...] = (),
    position_error_s: float = 0.0,
    constant: int = 0,
) -> Outcome:
    """Play a reply in the room from the first moment on, and clean what the microphone hears.

    Args:
        library: the room's arithmetic.
        room: how it is at first.
        reply: what the loudspeaker plays, at ``reply_hz``.
        reply_hz: its rate.
        rate_hz: the microphone's.
        tail_ms: the canceller's.
        talker: what is said in the room from the first moment on.
        changes: how it is from some second on.
        breaks: at these seconds the positions are void and the delay is looked for anew.
        turned: at these seconds mmid turns the volume, and says so.
        position_error_s: by how much the loudspeaker's card tells its position wrong.
        constant: what the microphone adds to each sample.
    """
    reference = Reference(reply_hz, rate_hz)
    canceller = EchoCanceller(rate_hz, tail_ms, reference)
    alignment = Alignment(reference, reply_hz, rate_hz)
    outcome, written = Outcome(), 0
    rate = reply_hz * (1 + room.drift_ppm / 1e6)
    changing = {_frame_at(second): change for second, change in (changes or {}).items()}
    frames, size = library.frames(room, reply, reply_hz, rate_hz, changing), canceller.frame
    for count in range(int(len(reply) / 2 / rate / _FRAME_S)):
        now = count * _FRAME_S
        if count in map(_frame_at, breaks):
            alignment.broke()
        if count in map(_frame_at, turned):
            canceller.volume_changed()
        sounded = int((now + position_error_s) * rate)
        if written:
            alignment.playback_position(now, sounded, written - sounded)
        until = int((now + _FRAME_S + _LEAD_S) * rate)
        alignment.played(reply[2 * written : 2 * until].ljust(2 * (until - written), b"\0"))
        written = until
        alignment.recorded(now, count * size)
        if (offset := alignment.new_offset()) is not None:
            canceller.restart(offset)
        heard = _mixed(next(frames), talker[2 * count * size : 2 * (count + 1) * size], constant)
        outcome.heard.append(heard)
        outcome.left.append(canceller.cancel(heard))
        outcome.states.append(str(canceller.convergence.state))
    outcome.drift_ppm, outcome.delay = alignment.drift.ppm, canceller.delay
    return outcome


def _frame_at(second: float) -> int:
    return round(second / _FRAME_S)


def _mixed(one: bytes, other: bytes, constant: int) -> bytes:
    sums = map(add, array("h", one), array("h", other.ljust(len(one), b"\0")))
    return array("h", (max(-32768, min(32767, value + constant)) for value in sums)).tobytes()
