"""Replies in every codec: real streams, bent and cut anywhere.

An input is two bytes, the codec and the rate, two for the size of the pieces, and the stream.
"""

from functools import cache
from random import Random

from mmid.hal import Decoder
from mmid.hal_linux.audio.codecs import make_decoder
from mmid.hal_linux.audio.codecs.formats import foreign_format
from tests.fuzz.harness import mutated
from tests.hal_linux.audio.codecs.streams import RATES, frames, sound, stream
from tests.hal_linux.audio.codecs.test_decoders import in_free_format, stereo, surround
from tests.hal_linux.audio.codecs.test_formats import made
from tests.hal_linux.audio.codecs.test_pcm import wav

MODES = ("pcm", "mp3", "opus", "raw-opus")

# Of one byte no more is made than this: 120 ms at 48 kHz, of a packet without a sample.
MOST_OF_A_BYTE = 48 * 120 * 2


@cache
def streams() -> list[bytes]:
    """Return what real encoders made."""
    coded = [stream(mode, rate) for mode in ("mp3", "opus") for rate in RATES]
    several = [stereo(kind, sound(48000)) for kind in ("mp3", "mp2", "opus")]
    wrapped = [wav(sound(8000)), wav(sound(8000), channels=2, length=0xFFFFFFFF)]
    others = [made("ogg", "libvorbis"), surround("5.1", 6), b"".join(in_free_format(16000))]
    return [*coded, *several, *wrapped, *others, b"".join(frames("raw-opus", 16000))]


def invent(dice: Random) -> bytes:
    """Make a stream, or several in a row, and the mode it comes in."""
    several = dice.choices(streams(), k=dice.choice([1, 1, 2, 3]))
    data = b"".join(mutated(one, dice) if dice.random() < 0.8 else one for one in several)
    head = bytes([dice.randrange(len(MODES)), dice.randrange(len(RATES))])
    return head + dice.choice([1, 40, 999, 8000]).to_bytes(2) + data[: 1 << 16]


async def take(data: bytes) -> None:
    """Decode it; the same decoder has decoded all replies before."""
    mode, rate = MODES[data[0] % len(MODES)], RATES[data[1] % len(RATES)]
    size, coded = int.from_bytes(data[2:4]) or 1, data[4:]
    used = decoder(mode, rate)
    used.reset()
    foreign_format(coded[:3072], mode)
    made_bytes = 0
    for at in range(0, len(coded), max(size, len(coded) // 2000)):
        made_bytes += sum(map(len, used.decode(coded[at : at + size])))
    made_bytes += sum(map(len, used.finish()))
    assert made_bytes <= MOST_OF_A_BYTE * (len(coded) + 1)


@cache
def decoder(mode: str, rate_hz: int) -> Decoder:
    """Return the one there is."""
    return make_decoder(mode, rate_hz)
