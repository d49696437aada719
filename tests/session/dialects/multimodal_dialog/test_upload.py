"""When silence must go up."""

from math import inf

from mmid.session.dialects.multimodal_dialog.upload import SILENCE_EVERY_S, Upload


def test_silence_is_due_five_seconds_before_the_cloud_gives_up() -> None:
    upload = Upload()
    assert upload.silence_due == inf
    upload.sent(100.0)
    assert upload.silence_due == 100 + SILENCE_EVERY_S <= 100 + 20 - 5
