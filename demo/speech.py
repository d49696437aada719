"""What is said in the demo: espeak-ng speaks, or a recording does, at the rates of the wire."""

import subprocess
import sys
import wave
from array import array
from pathlib import Path


def speak(text: str, rate_hz: int, directory: Path) -> bytes:
    """Return the text as speech: 16-bit mono samples at a rate."""
    spoken = directory / "espeak.wav"
    subprocess.run(["espeak-ng", "-w", str(spoken), text], check=True, capture_output=True)
    samples = recorded(spoken, rate_hz)
    spoken.unlink()
    return samples


def recorded(path: Path, rate_hz: int) -> bytes:
    """Return a recording, 16-bit mono WAV of any rate, as samples at a rate."""
    with wave.open(str(path), "rb") as reader:
        if (reader.getnchannels(), reader.getsampwidth()) != (1, 2):
            sys.exit(f"demo: {path} is not a recording of 16-bit mono samples")
        samples = array("h", reader.readframes(reader.getnframes()))
        found_hz = reader.getframerate()
    return _resample(samples, found_hz, rate_hz)


def write_wav(path: Path, samples: bytes, rate_hz: int) -> None:
    """Write 16-bit mono samples as a WAV file."""
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(samples)


def _resample(samples: "array[int]", from_hz: int, to_hz: int) -> bytes:
    """Interpolate linearly: enough for a demo, and no dependency."""
    step = from_hz / to_hz
    resampled = array("h")
    for index in range(int((len(samples) - 1) / step)):
        place, share = divmod(index * step, 1)
        left, right = samples[int(place)], samples[int(place) + 1]
        resampled.append(round(left + (right - left) * share))
    return resampled.tobytes()
