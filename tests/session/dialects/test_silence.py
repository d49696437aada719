"""Silence in the codec of the speech."""

import pytest

from mmid.hal_linux.audio.codecs import make_decoder
from mmid.session.dialects.silence import silence
from tests.rig.dialog_settings import dialog_settings


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 48000])
def test_a_tenth_of_a_second_of_samples_is_silence_that_pushes_no_speech_out(rate_hz: int) -> None:
    (frame,) = silence(dialog_settings(us_sample_rate=rate_hz), 0.1)
    assert frame.data == bytes(rate_hz * 2 // 10)
    assert frame.backlog


def test_silence_in_opus_decodes_to_as_much_silence() -> None:
    packets = silence(dialog_settings(upstream_mode="raw-opus"), 2.0)
    decoder = make_decoder("raw-opus", 16000)
    samples = b"".join(part for one in packets for part in decoder.decode(one.data))
    assert samples == bytes(2 * 16000 * 2)
    assert len(packets) == 100
    assert getattr(decoder, "damaged", 0) == 0
