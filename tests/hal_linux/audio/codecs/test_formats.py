"""Sound in another format than was asked for is told by its first bytes, and its name."""

import io
import struct
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.hal_linux.audio.codecs.formats import ASKED, HEAD_BYTES, foreign_format
from mmid.hal_linux.audio.codecs.mp3_frames import Mp3Frames
from tests.hal_linux.audio.codecs.streams import frames, sound, stream

MODES = ("pcm", "mp3", "opus", "raw-opus")


def made(container: str, codec: str, rate_hz: int = 24000) -> bytes:
    """Encode the sound by FFmpeg."""
    target, samples = io.BytesIO(), sound(rate_hz)
    with av.open(target, "w", format=container) as output:
        track: Any = output.add_stream(codec, rate=rate_hz, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
        frame.planes[0].update(samples)
        frame.sample_rate = rate_hz
        resampler = av.AudioResampler(track.format.name, "mono", rate_hz, track.frame_size or None)
        parts = [part for given in (frame, None) for part in resampler.resample(given)]
        for part in (*parts, None):
            for packet in track.encode(part):
                output.mux(packet)
    return target.getvalue()


MP3 = stream("mp3", 24000)
BARE_MP3 = b"".join(Mp3Frames().cut(MP3))
MP2 = made("mp2", "mp2")
WAV = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 24000, 48000, 2, 16)
OPUS = stream("opus", 24000)
PACKET = frames("raw-opus", 24000)[0]


@pytest.mark.parametrize(
    ("mode", "head", "name"),
    [
        ("mp3", WAV, "a WAV file"),
        ("opus", WAV, "a WAV file"),
        ("raw-opus", WAV, "a WAV file"),
        ("pcm", OPUS, "Opus in Ogg"),
        ("mp3", OPUS, "Opus in Ogg"),
        ("raw-opus", OPUS, "Opus in Ogg"),
        ("pcm", made("ogg", "libvorbis"), "Vorbis in Ogg"),
        ("pcm", made("flac", "flac"), "FLAC"),
        ("pcm", MP3, "MP3 with an ID3 tag"),
        ("opus", MP3, "MP3 with an ID3 tag"),
        ("raw-opus", MP3, "MP3 with an ID3 tag"),
        ("pcm", BARE_MP3, "MP3"),
        ("opus", BARE_MP3, "MP3"),
        ("pcm", MP2, "MPEG audio, layer 2"),
        ("opus", MP2, "MPEG audio, layer 2"),
    ],
)
def test_what_came_instead_is_named(mode: str, head: bytes, name: str) -> None:
    assert foreign_format(head[:HEAD_BYTES], mode) == name


@pytest.mark.parametrize(
    ("mode", "head"),
    [
        ("pcm", sound(24000)),
        ("pcm", WAV),
        ("pcm", bytes(5000)),
        ("pcm", b"\xff" * 5000),
        ("mp3", MP3),
        ("mp3", BARE_MP3),
        ("mp3", MP2),
        ("opus", OPUS),
        ("opus", made("ogg", "libvorbis")),  # its decoder leaves it out by itself
        ("raw-opus", PACKET),
        ("raw-opus", b"OpusHead"),
    ],
)
def test_what_the_decoder_may_try_is_not_refused(mode: str, head: bytes) -> None:
    assert foreign_format(head[:HEAD_BYTES], mode) == ""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("magic", [b"", b"OggS\0", b"RIFF", b"\xff\xfb", b"ID3", b"fLaC"])
@given(rest=st.binary(max_size=300))
def test_no_beginning_raises(magic: bytes, mode: str, rest: bytes) -> None:
    foreign_format(magic + rest, mode)


def test_every_mode_of_the_settings_says_what_it_asks_for() -> None:
    assert set(ASKED) == {*MODES}
