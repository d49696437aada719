"""Samples as they are; and WAV files are taken out of their wrapping, however they are cut."""

import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.hal_linux.audio.codecs.pcm import PcmDecoder
from tests.hal_linux.audio.codecs.streams import cut, decode, sound

RATE = 24000
SOUND = sound(RATE)
DECODER = PcmDecoder(RATE)
LENGTH_UNKNOWN = (0, 0x7FFFFFFF, 0xFFFFFFFF)

places = given(st.lists(st.integers(min_value=0)))


def wav(
    samples: bytes,
    *,
    channels: int = 1,
    rate_hz: int = RATE,
    bits: int = 16,
    kind: int = 1,
    length: int | None = None,
    before: bytes = b"",
    behind: bytes = b"",
) -> bytes:
    """Wrap samples; ``length`` is said in place of the true one."""
    frame = channels * bits // 8
    fields = (kind, channels, rate_hz, rate_hz * frame, frame, bits)
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, *fields)
    data = b"data" + struct.pack("<I", len(samples) if length is None else length) + samples
    chunks = b"WAVE" + fmt + before + data + behind
    return b"RIFF" + struct.pack("<I", len(chunks) if length is None else length) + chunks


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def channels_of(*each: bytes) -> bytes:
    """Give samples in turns."""
    return array(
        "h", [one for frame in zip(*(array("h", e) for e in each), strict=True) for one in frame]
    ).tobytes()


@places
def test_bare_samples_stay_as_they_are(places: list[int]) -> None:
    assert decode(DECODER, *cut(SOUND, places)) == SOUND
    assert DECODER.refused == ""


@pytest.mark.parametrize(
    "end", [b"R", b"RI", b"RIFF", b"RIFF1234WAV", b"RIFF1234WOVE", b"xRIFFRIF"]
)
def test_samples_that_look_like_a_head_are_heard(end: bytes) -> None:
    assert decode(DECODER, SOUND + end) == SOUND + end
    assert decode(DECODER, SOUND, end, SOUND) == SOUND + end + SOUND


WRAPPED = {
    "a file": wav(SOUND),
    "other chunks": wav(SOUND, before=chunk(b"LIST", b"abc"), behind=chunk(b"LIST", b"RIFF")),
    "an extensible one": wav(SOUND, kind=0xFFFE),
    **{f"length {length:#x}": wav(SOUND, length=length) for length in LENGTH_UNKNOWN},
}


@pytest.mark.parametrize("name", WRAPPED)
@places
def test_a_wav_file_is_heard_without_its_wrapping(name: str, places: list[int]) -> None:
    assert decode(DECODER, *cut(WRAPPED[name], places)) == SOUND
    assert DECODER.refused == ""


@pytest.mark.parametrize("name", WRAPPED)
@places
def test_each_sentence_may_bring_a_file(name: str, places: list[int]) -> None:
    assert decode(DECODER, *cut(WRAPPED[name] * 3, places)) == SOUND * 3


def test_samples_without_a_wrapping_may_follow_a_file() -> None:
    assert decode(DECODER, wav(SOUND), SOUND) == SOUND * 2


@pytest.mark.parametrize("length", [None, *LENGTH_UNKNOWN])
@places
def test_several_channels_are_mixed_to_one(length: int | None, places: list[int]) -> None:
    silence = bytes(len(SOUND))
    quarter = array("h", (value // 4 for value in array("h", SOUND))).tobytes()
    data = wav(channels_of(silence, SOUND, silence, silence), channels=4, length=length)
    assert decode(DECODER, *cut(data * 2, places)) == quarter * 2


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (wav(SOUND, rate_hz=22050), "22050 Hz"),
        (wav(SOUND, bits=8), "8 bits"),
        (wav(SOUND, kind=3, bits=32), "kind 3"),
        (wav(SOUND, kind=85, channels=2), "kind 85"),
        (wav(SOUND, channels=0), "0 channels"),
        (wav(SOUND, before=chunk(b"\xff\xff\xff\xff", b"")), "damaged"),
        (wav(SOUND, rate_hz=22050, length=0), "22050 Hz"),
        (wav(SOUND).replace(b"fmt ", b"junk"), "damaged"),
        (wav(SOUND, length=0).replace(b"fmt ", b"junk"), "damaged"),
    ],
)
def test_a_file_of_other_samples_is_left_out_and_named(data: bytes, named: str) -> None:
    assert decode(DECODER, data, wav(SOUND)) == SOUND
    assert named in DECODER.refused
    assert decode(DECODER, SOUND) == SOUND
    assert DECODER.refused == ""


@given(st.lists(st.binary(max_size=50) | st.sampled_from([b"RIFF", b"WAVE", wav(b"ab")])))
def test_nonsense_never_raises_and_never_grows(pieces: list[bytes]) -> None:
    assert len(decode(DECODER, *pieces)) <= sum(map(len, pieces))
