"""What a response costs, as ``response.done`` tells it (fact sheet, section 12)."""

from math import ceil, floor, sqrt
from typing import Any

_TEXT_PER_TOKEN = 4  # characters; what a tokenizer really makes of a text is nobody's business here
_LEAST_TOKENS, _MOST_TOKENS = 4, 1280

# JPEG (ITU T.81, table B.1): start of frame, all but DHT, JPG and DAC; markers without a length.
_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BARE = {0x01, *range(0xD0, 0xD9)}


class NoJpeg(ValueError):
    """An image is no JPEG."""


def audio_tokens(model: str, seconds: float, *, spoken: bool = False) -> int:
    """Return the tokens of so much speech, or (``spoken``) of so much of a reply."""
    if seconds <= 0:
        return 0
    per_s = 25.0 if "turbo" in model else 12.5
    if "qwen3.5" in model and not spoken:
        per_s = 7.0
    return ceil(per_s * max(seconds, 1.0))


def image_tokens(model: str, width: int, height: int) -> int:
    """Return the tokens of an image of so many pixels."""
    grid = 28 if "turbo" in model else 32
    w, h = round(width / grid) * grid, round(height / grid) * grid
    if w * h > _MOST_TOKENS * grid * grid:
        scale = sqrt(width * height / (_MOST_TOKENS * grid * grid))
        w, h = (floor(side / scale / grid) * grid for side in (width, height))
    elif w * h < _LEAST_TOKENS * grid * grid:
        scale = sqrt(_LEAST_TOKENS * grid * grid / (width * height))
        w, h = (ceil(side * scale / grid) * grid for side in (width, height))
    return w * h // (grid * grid)


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG.

    Raises:
        NoJpeg: it is none, or is cut short before they are told.
    """
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAME:
            height, width = (int.from_bytes(data[at + n : at + n + 2], "big") for n in (5, 7))
            if width and height:
                return width, height
            break
        at += 2 if marker in _BARE else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise NoJpeg(f"{len(data)} bytes are no JPEG")


def told(input_text: str, input_audio: int, output_text: str, output_audio: int) -> dict[str, Any]:
    """Return the ``usage`` of a response: of texts, and of tokens of audio and images."""
    texts = [ceil(len(text) / _TEXT_PER_TOKEN) for text in (input_text, output_text)]
    return {
        "total_tokens": sum(texts) + input_audio + output_audio,
        "input_tokens": texts[0] + input_audio,
        "output_tokens": texts[1] + output_audio,
        "input_tokens_details": {"text_tokens": texts[0], "audio_tokens": input_audio},
        "output_tokens_details": {"text_tokens": texts[1], "audio_tokens": output_audio},
    }
