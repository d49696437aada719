"""Writes the four prompts of the package: tones of our own making, no voice and no licence.

    python -m tools.prompts packaging/prompts

offline and license fall, error is a low pair, ready rises. 8 kHz, 16-bit mono, under a second.
"""

import math
import sys
import wave
from array import array
from pathlib import Path

_RATE_HZ = 8000
_TONE_S, _FADE_S, _LEVEL = 0.18, 0.02, 9000

# Hz, one tone after the other; 0 is a rest.
_PROMPTS = {
    "offline": (660, 440),
    "license": (660, 550, 440),
    "error": (330, 0, 330),
    "ready": (440, 660),
}


def tone(hz: float) -> "array[int]":
    """Return a tone that begins and ends softly."""
    count, fade = int(_TONE_S * _RATE_HZ), int(_FADE_S * _RATE_HZ)
    return array(
        "h",
        (
            int(
                _LEVEL
                * min(1.0, at / fade, (count - at) / fade)
                * math.sin(2 * math.pi * hz * at / _RATE_HZ)
            )
            for at in range(count)
        ),
    )


def main(folder: Path) -> None:
    """Write the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, tones in _PROMPTS.items():
        samples = array("h")
        for hz in tones:
            samples += tone(hz)
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_RATE_HZ)
            file.writeframes(samples.tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
