"""What the cloud sends becomes the sound it was, cut anywhere, damaged anywhere."""

import io
import struct
import time
from array import array
from collections.abc import Callable
from itertools import chain
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.errors import SettingsInvalid
from mmid.hal_linux.audio import codecs
from mmid.hal_linux.audio.codecs import make_decoder, make_encoder
from mmid.hal_linux.audio.codecs.mp3_frames import Mp3Frames
from tests.hal_linux.audio.codecs.streams import (
    RATES,
    cut,
    decode,
    frames,
    likeness,
    sound,
    stream,
)

STREAMS = ("mp3", "opus")
RATE = 16000
DECODERS = {mode: make_decoder(mode, RATE) for mode in (*STREAMS, "raw-opus")}
WHOLE = {mode: decode(DECODERS[mode], *frames(mode, RATE)) for mode in DECODERS}

# Without the tag that tells where the sound ends: it would count the lost frames, too.
UNTRIMMED = {
    "opus": stream("opus", RATE, 20),
    "mp3": b"".join(list(Mp3Frames().cut(stream("mp3", RATE)))[1:]),
}


def in_free_format(rate_hz: int) -> list[bytes]:
    """Return frames whose headers do not say how long they are; all are of one length."""
    found = list(Mp3Frames().cut(stream("mp3", rate_hz)))[1:]
    return [frame[:2] + bytes([frame[2] & 0x0F]) + frame[3:] for frame in found]


each_stream = pytest.mark.parametrize("mode", STREAMS)
each_mode = pytest.mark.parametrize("mode", DECODERS)
each_rate = pytest.mark.parametrize("rate_hz", RATES)


@each_rate
@each_stream
def test_a_reply_is_decoded_to_the_sample(mode: str, rate_hz: int) -> None:
    decoder = make_decoder(mode, rate_hz)
    decoded = decode(decoder, *frames(mode, rate_hz))
    assert len(decoded) == len(sound(rate_hz))
    assert likeness(decoded, sound(rate_hz)) > 0.95
    assert decoder.damaged == 0


@each_rate
def test_a_false_count_of_frames_takes_no_time_and_costs_no_sound(rate_hz: int) -> None:
    data = bytearray(stream("mp3", 24000))
    at = data.index(b"Info")
    data[at + 8 : at + 12] = b"\xff" * 4
    decoder = make_decoder("mp3", rate_hz)
    begin = time.process_time()
    decoded = decode(decoder, bytes(data))
    assert time.process_time() - begin < 1
    assert len(decoded) >= len(sound(rate_hz))
    assert decoder.damaged == 0


@each_rate
@pytest.mark.parametrize("frame_ms", [10, 20, 40, 60, 100, 120])
def test_packets_of_every_length_are_decoded(rate_hz: int, frame_ms: int) -> None:
    original = sound(rate_hz)
    in_ogg = decode(make_decoder("opus", rate_hz), stream("opus", rate_hz, frame_ms))
    assert len(in_ogg) == len(original)
    bare = decode(make_decoder("raw-opus", rate_hz), *frames("raw-opus", rate_hz, frame_ms))
    # A bare stream does not say how long the encoder's run-up was: 6.5 ms in libopus.
    run_up = 312 * rate_hz // 48000 * 2
    assert likeness(bare[run_up:], original) > 0.95
    frame_bytes = rate_hz * frame_ms // 1000 * 2
    assert 0 <= len(bare) - len(original) <= 2 * frame_bytes


@each_rate
def test_every_frame_is_heard_when_no_tag_tells_where_the_sound_ends(rate_hz: int) -> None:
    found = list(Mp3Frames().cut(stream("mp3", rate_hz)))[1:]
    samples_of_a_frame = 1152 if rate_hz == 48000 else 576
    for some in (found, found[:1]):
        decoded = decode(make_decoder("mp3", rate_hz), *some)
        assert len(decoded) == len(some) * samples_of_a_frame * 2


@each_rate
@given(places=st.lists(st.integers(min_value=0)))
def test_mp3_in_free_format_is_heard_to_the_last_frame(rate_hz: int, places: list[int]) -> None:
    told = b"".join(list(Mp3Frames().cut(stream("mp3", rate_hz)))[1:])
    free = b"".join(in_free_format(rate_hz))
    decoder = make_decoder("mp3", rate_hz)
    assert decode(decoder, *cut(free, places)) == decode(decoder, told)
    assert decode(decoder, free + told + free) == decode(decoder, told) * 3
    assert decoder.damaged == 0


def test_mp2_is_heard_where_mp3_was_asked_for() -> None:
    data = stereo("mp2", sound(48000))
    decoder = make_decoder("mp3", 48000)
    decoded = decode(decoder, *cut(data, [*range(0, len(data), 777)]))
    assert len(decoded) // 2 % 1152 == 0
    assert likeness(decoded[2 * 481 :], sound(48000)) > 0.9  # the filter bank's delay
    assert decoder.damaged == 0


@each_stream
@given(places=st.lists(st.integers(min_value=0)))
def test_where_the_stream_is_cut_is_not_heard(mode: str, places: list[int]) -> None:
    decoder = DECODERS[mode]
    before = decoder.damaged
    assert decode(decoder, *cut(stream(mode, RATE), places)) == WHOLE[mode]
    assert decoder.damaged == before


@each_stream
def test_a_byte_at_a_time_is_enough(mode: str) -> None:
    data = stream(mode, RATE)
    assert decode(DECODERS[mode], *(data[at : at + 1] for at in range(len(data)))) == WHOLE[mode]


@each_stream
def test_the_sound_comes_while_the_stream_is_still_coming(mode: str) -> None:
    """No more is held back than two frames and the decoder's own delay."""
    decoder, data = DECODERS[mode], stream(mode, RATE)
    decoder.reset()
    half = b"".join(decoder.decode(data[: len(data) // 2]))
    assert len(half) > len(WHOLE[mode]) * 0.3


@each_stream
def test_replies_in_one_stream_follow_each_other(mode: str) -> None:
    data = stream(mode, RATE)
    assert decode(DECODERS[mode], data + data) == WHOLE[mode] * 2


@each_mode
def test_a_reply_that_was_cut_off_does_not_touch_the_next(mode: str) -> None:
    decoder = DECODERS[mode]
    decoder.reset()
    for frame in frames(mode, RATE)[:2]:
        list(decoder.decode(frame))
    assert decode(decoder, *frames(mode, RATE)) == WHOLE[mode]


@each_stream
@given(at=st.integers(min_value=0), junk=st.binary(min_size=1, max_size=400))
def test_damage_is_skipped_and_counted_and_the_rest_is_heard(
    mode: str, at: int, junk: bytes
) -> None:
    decoder, data = DECODERS[mode], UNTRIMMED[mode]
    middle = len(data) // 3 + at % (len(data) // 3)
    whole = decode(decoder, data)
    before = decoder.damaged
    decoded = decode(decoder, data[:middle] + b"\0" * 300 + junk + data[middle + 100 :])
    assert decoder.damaged > before
    assert len(whole) * 0.6 < len(decoded) <= len(whole)
    tail = RATE // 20 * 2
    assert likeness(decoded[-tail:], whole[-tail:]) > 0.9


@each_mode
@given(pieces=st.lists(st.binary(max_size=1500)))
def test_nonsense_never_raises(mode: str, pieces: list[bytes]) -> None:
    decode(DECODERS[mode], *pieces)


@each_mode
@given(
    changes=st.lists(
        st.tuples(st.integers(min_value=0), st.integers(0, 255)), min_size=1, max_size=20
    )
)
def test_changed_bytes_never_raise_and_the_sound_grows_by_little(
    mode: str, changes: list[tuple[int, int]]
) -> None:
    broken = [bytearray(frame) for frame in frames(mode, RATE)]
    for at, value in changes:
        frame = broken[at % len(broken)]
        frame[at % len(frame)] = value
    decoded = decode(DECODERS[mode], *map(bytes, broken))
    assert len(decoded) <= len(WHOLE[mode]) + len(changes) * 120 * RATE // 1000 * 2
    assert decode(DECODERS[mode], *frames(mode, RATE)) == WHOLE[mode]


@pytest.mark.parametrize("junk", [b"", b"\xff" * 3, bytes(70_000)])
def test_a_frame_that_is_no_packet_is_counted_and_gives_nothing(junk: bytes) -> None:
    decoder = make_decoder("raw-opus", RATE)
    assert decode(decoder, junk) == b""
    assert decoder.damaged == 1


OPUS_HEAD = b"OpusHead\1\1" + struct.pack("<HIhB", 312, RATE, 0, 0)
OPUS_HEAD_MAPPED = b"OpusHead\1\1" + struct.pack("<HIhB", 312, RATE, 0, 1) + b"\1\0\0"
OPUS_TAGS = b"OpusTags" + struct.pack("<I4sII3s", 4, b"tool", 1, 3, b"a=b")


@pytest.mark.parametrize(
    "header",
    [
        (OPUS_HEAD, b""),
        (OPUS_HEAD, OPUS_TAGS, b""),
        (OPUS_HEAD + OPUS_TAGS, b""),
        (OPUS_HEAD,),
        (OPUS_HEAD_MAPPED,),
        (OPUS_HEAD + OPUS_TAGS,),
        (OPUS_HEAD, OPUS_TAGS),
    ],
)
def test_a_header_before_bare_packets_is_skipped_and_no_packet_is_lost(
    header: tuple[bytes, ...],
) -> None:
    """The last part of the header stands in one frame with the first packet."""
    *alone, joined = header
    first, *others = frames("raw-opus", RATE)
    decoder = make_decoder("raw-opus", RATE)
    assert decode(decoder, *alone, joined + first, *others) == WHOLE["raw-opus"]
    assert decoder.damaged == 0


@given(st.binary(max_size=60))
def test_a_header_cut_short_or_false_never_raises(rest: bytes) -> None:
    for magic in (b"OpusHead", b"OpusTags", OPUS_HEAD + b"OpusTags"):
        decode(DECODERS["raw-opus"], magic + rest)


@each_stream
def test_an_empty_frame_is_nothing_at_all(mode: str) -> None:
    decoder = make_decoder(mode, RATE)
    assert decode(decoder, b"", *frames(mode, RATE), b"") == WHOLE[mode]
    assert decoder.damaged == 0


FALSE_COUNT = b"\xff\xe3\x18\xc4" + bytes(9) + b"Info\0\0\0\1\0\1\0\0"


@pytest.mark.parametrize(
    ("mode", "data"),
    [
        ("opus", b"OggS\0" * 20_000),
        ("mp3", (FALSE_COUNT + bytes(72 - len(FALSE_COUNT))) * 100),
    ],
)
def test_no_piece_of_damage_holds_the_loop_up(mode: str, data: bytes) -> None:
    decoder, longest = make_decoder(mode, RATE), 0.0
    decoder.reset()
    begin = time.thread_time()
    for _ in chain(decoder.decode(data), decoder.finish()):
        longest = max(longest, time.thread_time() - begin)
        begin = time.thread_time()
    assert longest < 0.005


def test_the_gain_that_a_stream_asks_for_is_given() -> None:
    gain = (-6 * 256).to_bytes(2, "little", signed=True)
    softer = decode(DECODERS["opus"], with_head(lambda head: head[:16] + gain + head[18:]))
    assert loudest(softer) == pytest.approx(loudest(WHOLE["opus"]) / 2, rel=0.02)
    assert decode(DECODERS["opus"], stream("opus", RATE)) == WHOLE["opus"]


@pytest.mark.parametrize("magic", [b"Speex   ", b"\1vorbis\0"])
def test_another_codec_in_ogg_is_skipped_and_counted_and_opus_behind_it_is_heard(
    magic: bytes,
) -> None:
    foreign = with_head(lambda head: magic + head[8:])
    decoder = make_decoder("opus", RATE)
    assert decode(decoder, foreign) == b""
    assert decode(decoder, foreign + stream("opus", RATE)) == WHOLE["opus"]
    assert decoder.damaged == 2
    assert decoder.refused.lower().startswith(magic.strip(b"\1\0 ").decode().lower())
    assert decode(decoder, stream("opus", RATE)) == WHOLE["opus"]
    assert decoder.refused == ""


@pytest.mark.parametrize(
    "table",
    [
        b"\2\6\3\3\0\1\2\3\4\5",  # a family that is none of channels
        b"\1",  # no table
        b"\1\0\0\0",  # no streams
        b"\1\1\2\0",  # more stereo streams than streams
        b"\1\xff\0\0",  # more streams than channels
        b"\1\1\0\1",  # a channel of no stream
    ],
)
def test_channels_that_are_packed_in_no_way_we_know_are_skipped_and_named(table: bytes) -> None:
    decoder = make_decoder("opus", RATE)
    assert decode(decoder, with_head(lambda head: head[:18] + table)) == b""
    assert "mapping family" in decoder.refused


def with_head(change: Callable[[bytes], bytes]) -> bytes:
    """Return the stream with its OpusHead changed."""
    data, head_bytes = stream("opus", RATE), 19
    head = change(data[28 : 28 + head_bytes])
    page = bytearray(data[:27] + bytes([len(head)]) + head)
    page[22:26] = bytes(4)
    page[22:26] = ogg_crc(bytes(page)).to_bytes(4, "little")
    return bytes(page) + data[28 + head_bytes :]


@pytest.mark.parametrize(("layout", "channels"), [("3.0", 3), ("5.1", 6), ("7.1", 8)])
def test_several_channels_are_heard_as_their_mean(layout: str, channels: int) -> None:
    decoder = make_decoder("opus", RATE)
    decoded = decode(decoder, surround(layout, channels))
    assert 0 <= len(decoded) - len(sound(RATE)) <= RATE // 50 * 2
    assert likeness(decoded, sound(RATE)) > 0.9
    assert loudest(decoded) == pytest.approx(loudest(sound(RATE)) / channels, rel=0.2)
    assert (decoder.damaged, decoder.refused) == (0, "")
    assert decode(decoder, stream("opus", RATE)) == WHOLE["opus"]


def surround(layout: str, channels: int) -> bytes:
    """Encode a sound on the second channel of many, the others silent."""
    third = array("h", sound(RATE))
    tripled = (one for one in third for _ in range(3))
    samples = array("h", (one if at == 1 else 0 for one in tripled for at in range(channels)))
    target = io.BytesIO()
    with av.open(target, "w", format="ogg") as output:
        track: Any = output.add_stream("libopus", rate=48000, layout=layout)
        track.bit_rate = 400_000
        frame = av.AudioFrame(format="s16", layout=layout, samples=len(third) * 3)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate = 48000
        output.mux([packet for part in (frame, None) for packet in track.encode(part)])
    return target.getvalue()


def loudest(samples: bytes) -> int:
    return max(map(abs, array("h", samples)))


def ogg_crc(page: bytes) -> int:
    """Compute it bit by bit, as RFC 3533 describes it."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return crc


@each_stream
def test_a_stream_in_stereo_and_at_another_rate_is_heard_as_we_want_it(mode: str) -> None:
    data = stereo(mode, sound(48000))
    decoded = decode(make_decoder(mode, RATE), data)
    expected = sound(48000)[: len(sound(48000)) // 6 * 6]
    third = b"".join(expected[at : at + 2] for at in range(0, len(expected), 6))
    assert abs(len(decoded) - len(third)) <= RATE * 60 // 1000 * 2
    assert best_likeness(decoded, third) > 0.9


def stereo(mode: str, samples: bytes) -> bytes:
    """Encode one sound on both channels, at 48 kHz."""
    both = b"".join(samples[at : at + 2] * 2 for at in range(0, len(samples), 2))
    container, codec = {
        "mp3": ("mp3", "libmp3lame"),
        "mp2": ("mp2", "mp2"),
        "opus": ("ogg", "libopus"),
    }[mode]
    target = io.BytesIO()
    with av.open(target, "w", format=container) as output:
        track: Any = output.add_stream(codec, rate=48000, layout="stereo")
        track.bit_rate = 96_000
        frame = av.AudioFrame(format="s16", layout="stereo", samples=len(samples) // 2)
        frame.planes[0].update(both)
        frame.sample_rate = 48000
        cutter = av.AudioResampler(track.format.name, "stereo", 48000, track.frame_size or None)
        parts = [part for given in (frame, None) for part in cutter.resample(given)]
        output.mux([packet for part in (*parts, None) for packet in track.encode(part)])
    return target.getvalue()


def best_likeness(one: bytes, other: bytes) -> float:
    """Return the likeness at the best shift up to 2 ms: converters have a delay of their own."""
    return max(
        *(likeness(one[2 * shift :], other) for shift in range(RATE // 500)),
        *(likeness(one, other[2 * shift :]) for shift in range(RATE // 500)),
    )


@pytest.mark.parametrize(
    ("make", "key", "package"),
    [
        (lambda: make_decoder("mp3", RATE), "dialog.downstream_mode = 'mp3'", "libmpg123-0t64"),
        (lambda: make_decoder("opus", RATE), "dialog.downstream_mode = 'opus'", "libopus0"),
        (lambda: make_decoder("raw-opus", RATE), "downstream_mode = 'raw-opus'", "libopus0"),
        (lambda: make_encoder("raw-opus", RATE, 32000), "upstream_mode = 'raw-opus'", "libopus0"),
    ],
    ids=["mp3", "opus", "raw-opus", "speech"],
)
def test_a_missing_library_is_a_setting_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, make: Any, key: str, package: str
) -> None:
    class NoLibraries:
        @staticmethod
        def CDLL(name: str) -> None:  # noqa: N802 - ctypes' own name
            raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(codecs, "ctypes", NoLibraries)
    with pytest.raises(SettingsInvalid) as refused:
        make()
    assert key in str(refused.value)
    assert package in str(refused.value)
