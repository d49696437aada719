"""The estimate is the handbook's: its worked examples (qwen-realtime section 12)."""

import pytest

from mmid.session.dialects.qwen_realtime.usage import Sent, image_tokens, jpeg_size, speech_tokens
from tests.simcloud.qwen_realtime.test_protocol import JPEG

FLASH, TURBO = "qwen3-omni-flash-realtime", "qwen-omni-turbo-realtime"
NEWER = "qwen3.5-omni-plus-realtime"


@pytest.mark.parametrize(
    ("seconds", "flash", "turbo", "newer"),
    [
        (0.4, 12.5, 25, 7),
        (3.2, 40, 80, 22.4),
        (10, 125, 250, 70),
        (60, 750, 1500, 420),
        (0, 0, 0, 0),
    ],
)
def test_speech_costs_by_the_second(
    seconds: float, flash: float, turbo: float, newer: float
) -> None:
    tokens = [speech_tokens(model, seconds) for model in (FLASH, TURBO, NEWER)]
    assert tokens == pytest.approx([flash, turbo, newer])


@pytest.mark.parametrize(
    ("width", "height", "flash", "turbo"),
    [(320, 240, 80, 99), (640, 480, 300, 391), (1280, 720, 880, 1196), (1920, 1080, 1222, 1222)],
)
def test_a_picture_costs_by_its_pixels(width: int, height: int, flash: int, turbo: int) -> None:
    assert [image_tokens(model, width, height) for model in (FLASH, TURBO)] == [flash, turbo]


def test_a_tiny_picture_costs_the_least_and_a_huge_one_the_most() -> None:
    assert image_tokens(FLASH, 10, 10) == 4
    assert image_tokens(FLASH, 10_000, 10_000) <= 1280


def test_a_turn_is_rounded_up() -> None:
    assert Sent(speech_s=3.25, images=[80]).estimate(FLASH) == 121
    assert Sent().estimate(FLASH) == 0


def test_the_size_stands_in_the_head_of_a_jpeg() -> None:
    assert jpeg_size(JPEG) == (640, 480)
    assert jpeg_size(JPEG[:2] + b"\xff\xfe\x00\x05abc" + JPEG[2:]) == (640, 480)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", JPEG[:8], b"\x89PNG" + bytes(40)])
def test_what_is_no_jpeg_has_no_size(data: bytes) -> None:
    assert jpeg_size(data) is None
