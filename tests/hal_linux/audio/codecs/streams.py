"""Streams of speech-like sound, made by FFmpeg, and how like two sounds are."""

import math
import random
from array import array
from functools import lru_cache
from itertools import pairwise

from mmid.hal import Decoder
from mmid.simcloud.core.codecs import ReplyFormat, encode
from mmid.simcloud.core.voice import phrase

RATES = (8000, 16000, 24000, 48000)


@lru_cache(maxsize=8)
def sound(rate_hz: int, seconds: float = 0.6) -> bytes:
    """Return notes with a little noise: no two stretches are alike."""
    notes = array("h", phrase(rate_hz))[: int(rate_hz * seconds)]
    dice = random.Random(rate_hz)  # noqa: S311 - noise, not a secret
    return array("h", (value + dice.randint(-800, 800) for value in notes)).tobytes()


@lru_cache(maxsize=64)
def frames(mode: str, rate_hz: int, frame_ms: int = 60) -> tuple[bytes, ...]:
    """Return what a cloud sends of ``sound``."""
    return encode(sound(rate_hz), ReplyFormat(mode, rate_hz, frame_ms, 32))


def stream(mode: str, rate_hz: int, frame_ms: int = 60) -> bytes:
    """Return it in one piece."""
    return b"".join(frames(mode, rate_hz, frame_ms))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut at these places, taken modulo the length."""
    ends = sorted({0, len(data), *(place % len(data) for place in places)})
    return [data[begin:end] for begin, end in pairwise(ends)]


def decode(decoder: Decoder, *pieces: bytes) -> bytes:
    """Decode a whole reply."""
    decoder.reset()
    samples = [part for piece in pieces for part in decoder.decode(piece)]
    return b"".join([*samples, *decoder.finish()])


def likeness(one: bytes, other: bytes) -> float:
    """Return the correlation of two sounds: 1 is the same, 0 has nothing to do with it."""
    left, right = array("h", one), array("h", other)
    both = sum(a * b for a, b in zip(left, right, strict=False))
    energy = sum(a * a for a in left) * sum(b * b for b in right)
    return both / math.sqrt(energy) if energy else 0.0
