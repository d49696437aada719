"""Silence in the codec of the speech."""

from math import inf

import pytest

from mmid.hal_linux.audio.codecs import make_decoder
from mmid.session.dialects.multimodal_dialog.upload import SILENCE_EVERY_S, TAIL_S, Upload
from tests.rig.dialog_settings import dialog_settings


def test_silence_is_due_five_seconds_before_the_cloud_gives_up() -> None:
    upload = Upload(dialog_settings())
    assert upload.silence_due == inf
    upload.sent(100.0)
    assert upload.silence_due == 100 + SILENCE_EVERY_S <= 100 + 20 - 5


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 48000])
def test_a_frame_of_silence_is_the_clouds_cadence(rate_hz: int) -> None:
    (frame,) = Upload(dialog_settings(us_sample_rate=rate_hz)).silence()
    assert frame.data == bytes(rate_hz * 2 // 10)
    assert frame.backlog, "silence must not push speech out of the queue"


def test_silence_in_opus_decodes_to_as_much_silence() -> None:
    packets = Upload(dialog_settings(upstream_mode="raw-opus")).silence(TAIL_S)
    decoder = make_decoder("raw-opus", 16000)
    samples = b"".join(part for one in packets for part in decoder.decode(one.data))
    assert samples == bytes(int(TAIL_S * 16000) * 2)
    assert len(packets) == 100
    assert getattr(decoder, "damaged", 0) == 0
