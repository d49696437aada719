"""What a turn costs: the handbook's estimate (section 12), and the counts since the start.

The service counts too, and its word is shown beside ours. The estimate is without what a
response is billed for again: the turns before it that are still in the window.
"""

from dataclasses import dataclass, field
from math import ceil, floor, sqrt

_LEAST_TOKENS, _MOST_TOKENS = 4, 1280  # of one image

# JPEG (ITU T.81, table B.1): start of frame is all of 0xC0 to 0xCF but DHT, JPG and DAC;
# these markers have no length.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(slots=True)
class Sent:
    """What went up in a turn.

    Attributes:
        speech_s: speech, in seconds.
        images: tokens of each image.
    """

    speech_s: float = 0.0
    images: list[int] = field(default_factory=list)

    def add(self, other: "Sent") -> None:
        """Count what went up with it."""
        self.speech_s += other.speech_s
        self.images += other.images

    def estimate(self, model: str) -> int:
        """Return the tokens of what went up, rounded up."""
        return ceil(speech_tokens(model, self.speech_s) + sum(self.images))


def speech_tokens(model: str, seconds: float) -> float:
    """Return the tokens of so much speech; less than a second counts as one."""
    if seconds <= 0:
        return 0.0
    per_s = 25.0 if "turbo" in model else 7.0 if "qwen3.5" in model else 12.5
    return per_s * max(seconds, 1.0)


def image_tokens(model: str, width: int, height: int) -> int:
    """Return the tokens of an image of so many pixels."""
    grid = 28 if "turbo" in model else 32
    area = grid * grid
    w, h = (round(side / grid) * grid for side in (width, height))
    if w * h > _MOST_TOKENS * area:
        scale = sqrt(width * height / (_MOST_TOKENS * area))
        w, h = (floor(side / scale / grid) * grid for side in (width, height))
    elif w * h < _LEAST_TOKENS * area:
        scale = sqrt(_LEAST_TOKENS * area / (width * height))
        w, h = (ceil(side * scale / grid) * grid for side in (width, height))
    return w * h // area


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG in pixels; None: it is none."""
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _START_OF_FRAME:
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            return (width, height) if width and height else None
        at += 2 if marker in _WITHOUT_LENGTH else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
