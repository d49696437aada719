"""What the simulated clouds say: the samples of a reply, and its text piece by piece.

The default voice is a short phrase of notes: deterministic, pleasant, recognisable in
a loudspeaker and in a spectrum, and made with the standard library only.
"""

import math
import sys
import wave
from array import array
from functools import lru_cache
from pathlib import Path

from mmid.errors import SettingsInvalid
from mmid.regular_file import require_regular_file
from mmid.simcloud.core.scenario import ScriptedTurn

# A rising major chord and home again; hertz and seconds.
_NOTES = ((523.25, 0.25), (659.25, 0.25), (783.99, 0.25), (1046.5, 0.35), (783.99, 0.5))
_EDGE_S = 0.03
_LOUDNESS = 0.3 * 32767

# Ten minutes at 48 kHz: a larger file is a mistake, not a reply.
_LARGEST_WAV = 60_000_000


def voice(turn: ScriptedTurn, rate_hz: int) -> bytes:
    """Return the reply of a turn: 16-bit little-endian mono samples.

    Raises:
        SettingsInvalid: its WAV file cannot be read, or has another rate.
    """
    if turn.reply_wav:
        return read_wav(Path(turn.reply_wav), rate_hz)
    notes = phrase(rate_hz)
    size = int(turn.reply_s * rate_hz) * 2
    return (notes * (size // len(notes) + 1))[:size] if size else notes


@lru_cache(maxsize=4)
def phrase(rate_hz: int) -> bytes:
    """Return the default reply: 16-bit little-endian mono samples."""
    samples = array("h")
    for hertz, seconds in _NOTES:
        count = int(rate_hz * seconds)
        samples.extend(_note(hertz, count, rate_hz))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def read_wav(path: Path, rate_hz: int) -> bytes:
    """Return the samples of a WAV file.

    Raises:
        SettingsInvalid: it cannot be read, or is not 16-bit mono at that rate.
    """
    try:
        require_regular_file(path, _LARGEST_WAV)
        with wave.open(str(path)) as file:
            found = (file.getnchannels(), file.getsampwidth() * 8, file.getframerate())
            if found != (1, 16, rate_hz):
                raise SettingsInvalid(
                    f"{path}: {found[0]} channel(s), {found[1]} bit, {found[2]} Hz; "
                    f"a reply here must be 1 channel, 16 bit, {rate_hz} Hz"
                )
            return bytes(file.readframes(file.getnframes()))
    except (OSError, EOFError, wave.Error) as error:
        raise SettingsInvalid(f"{path}: not a readable WAV file: {error!r}") from error


def growing(text: str, steps: int = 4) -> list[str]:
    """Return a text as a cloud streams it: longer and longer, the last one whole."""
    words = text.split(" ")
    glue = " "
    if len(words) < steps:  # languages without spaces grow by the character
        words, glue = list(text), ""
    count = min(steps, max(len(words), 1))
    return [glue.join(words[: len(words) * step // count]) for step in range(1, count + 1)]


def _note(hertz: float, count: int, rate_hz: int) -> "array[int]":
    edge = int(rate_hz * _EDGE_S)
    turn = 2 * math.pi * hertz / rate_hz
    return array(
        "h",
        (
            int(
                _LOUDNESS
                * (0.8 * math.sin(turn * index) + 0.2 * math.sin(2 * turn * index))
                * min(1.0, index / edge, (count - 1 - index) / edge)
            )
            for index in range(count)
        ),
    )
