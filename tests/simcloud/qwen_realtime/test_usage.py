"""What is billed: the worked examples of the fact sheet, section 12."""

import pytest

from mmid.simcloud.qwen_realtime.usage import NoJpeg, audio_tokens, image_tokens, jpeg_size
from tests.simcloud.qwen_realtime.test_protocol import JPEG

FLASH, TURBO, NEWER = (
    "qwen3-omni-flash-realtime",
    "qwen-omni-turbo-realtime",
    "qwen3.5-omni-plus-realtime",
)


@pytest.mark.parametrize(
    ("seconds", "flash", "turbo", "newer"),
    [(0.4, 13, 25, 7), (3.2, 40, 80, 23), (10, 125, 250, 70), (60, 750, 1500, 420)],
)
def test_speech_costs_by_the_second(seconds: float, flash: int, turbo: int, newer: int) -> None:
    tokens = [audio_tokens(model, seconds) for model in (FLASH, TURBO, NEWER)]
    assert tokens == [flash, turbo, newer]


def test_nothing_costs_nothing_and_a_reply_has_its_own_price() -> None:
    assert audio_tokens(FLASH, 0) == 0
    assert audio_tokens(NEWER, 10, spoken=True) == 125


@pytest.mark.parametrize(
    ("width", "height", "flash", "turbo"),
    [(320, 240, 80, 99), (640, 480, 300, 391), (1280, 720, 880, 1196), (1920, 1080, 1222, 1222)],
)
def test_a_picture_costs_by_its_pixels(width: int, height: int, flash: int, turbo: int) -> None:
    assert [image_tokens(model, width, height) for model in (FLASH, TURBO)] == [flash, turbo]


def test_a_tiny_picture_costs_the_least() -> None:
    assert image_tokens(FLASH, 10, 10) == 4


def test_the_size_stands_in_the_head_of_a_jpeg() -> None:
    assert jpeg_size(JPEG) == (640, 480)
    with_comment = JPEG[:2] + b"\xff\xfe\x00\x05abc" + JPEG[2:]
    assert jpeg_size(with_comment) == (640, 480)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", JPEG[:8], b"\x89PNG" + bytes(40)])
def test_what_is_no_jpeg_is_told(data: bytes) -> None:
    with pytest.raises(NoJpeg):
        jpeg_size(data)
