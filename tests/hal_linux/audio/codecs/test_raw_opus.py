"""Speech as bare Opus packets: 20 ms each, nothing lost at either end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.hal_linux.audio.codecs import make_decoder, make_encoder
from mmid.simcloud.core.codecs import OpusSpeech
from tests.hal_linux.audio.codecs.streams import RATES, cut, likeness, sound

RATE = 16000
BITS_PER_S = 32_000
ENCODER = make_encoder("raw-opus", RATE, BITS_PER_S)


def encode(*pieces: bytes) -> list[bytes]:
    ENCODER.reset()
    packets = [packet for piece in pieces for packet in ENCODER.encode(piece)]
    return [*packets, *ENCODER.finish()]


def lasts_20_ms(packet: bytes) -> bool:
    """Read RFC 6716's TOC byte: its duration is one frame of 20 ms."""
    config, frames = packet[0] >> 3, packet[0] & 3
    length = config & 3 if config < 12 or config > 15 else config & 1
    return (
        frames == 0
        and {
            True: length == 1,  # SILK: 10 20 40 60
            False: length == (1 if config < 16 else 3),  # hybrid: 10 20; CELT: 2.5 5 10 20
        }[config < 12]
    )


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("extra", [0, 1, 137])
def test_speech_comes_out_whole_from_its_first_sample_to_its_last(rate_hz: int, extra: int) -> None:
    speech = sound(rate_hz)[: (rate_hz // 2 + extra) * 2]
    encoder = make_encoder("raw-opus", rate_hz, BITS_PER_S)
    encoder.reset()
    packets = [*encoder.encode(speech), *encoder.finish()]
    assert all(map(lasts_20_ms, packets))
    cloud = OpusSpeech(rate_hz)
    decoder = make_decoder("raw-opus", rate_hz)
    ours = b"".join(part for packet in packets for part in decoder.decode(packet))
    theirs = b"".join(map(cloud.decode, packets))
    late = 312 * rate_hz // 48000 * 2
    assert likeness(ours[late : late + len(speech)], speech) > 0.8
    frame = rate_hz // 50 * 2
    for part in (slice(0, frame * 2), slice(len(speech) - frame * 2, len(speech))):
        assert likeness(ours[late:][part], speech[part]) > 0.6
    assert len(speech) + late <= len(ours) < len(speech) + late + frame
    assert abs(len(theirs) - len(ours)) < frame


@given(st.lists(st.integers(min_value=0)))
def test_how_the_microphone_cuts_its_chunks_does_not_matter(places: list[int]) -> None:
    even = [place // 2 * 2 for place in places]
    assert encode(*cut(sound(RATE), even)) == encode(sound(RATE))


def test_a_packet_leaves_as_soon_as_its_20_ms_are_there() -> None:
    ENCODER.reset()
    assert not ENCODER.encode(bytes(RATE // 50 * 2 - 2))
    assert len(list(ENCODER.encode(b"\0\0"))) == 1


def test_speech_that_was_given_up_does_not_touch_the_next() -> None:
    ENCODER.reset()
    ENCODER.encode(sound(RATE)[:1000])
    assert encode(sound(RATE)) == encode(sound(RATE))
    ENCODER.reset()
    ENCODER.encode(sound(RATE)[:1000])
    ENCODER.reset()
    assert len(list(ENCODER.finish())) == 1


def test_speech_without_a_sample_is_a_packet_of_silence() -> None:
    assert len(encode()) == 1


def test_the_bit_rate_is_kept() -> None:
    packets = encode(sound(RATE, 1.5))
    assert 0.6 < sum(map(len, packets)) * 8 / 1.5 / BITS_PER_S < 1.3
