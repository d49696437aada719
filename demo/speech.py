"""What is said in the demo: espeak-ng speaks, or a recording does, at the rates of the wire."""

import subprocess
import sys
import wave
from array import array
from pathlib import Path

# A cloud takes less for no speech.
_SHORTEST_S = 0.2


def speak(text: str, rate_hz: int, directory: Path) -> bytes:
    """Return the text as speech: 16-bit mono samples at a rate."""
    spoken = directory / "espeak.wav"
    try:
        subprocess.run(["espeak-ng", "-w", str(spoken), text], check=True, capture_output=True)
    except FileNotFoundError:
        sys.exit("demo: espeak-ng is not there: install it, or play recordings with --wav")
    samples = recorded(spoken, rate_hz)
    spoken.unlink()
    return samples


def recorded(path: Path, rate_hz: int) -> bytes:
    """Return a recording, 16-bit mono WAV of any rate, as samples at a rate."""
    try:
        with wave.open(str(path), "rb") as reader:
            if (reader.getnchannels(), reader.getsampwidth()) != (1, 2):
                sys.exit(f"demo: {path} is not a recording of 16-bit mono samples")
            samples = array("h", reader.readframes(reader.getnframes()))
            found_hz = reader.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        sys.exit(f"demo: {path} cannot be read: {error}")
    if len(samples) < _SHORTEST_S * found_hz:
        sys.exit(f"demo: {path} is shorter than {_SHORTEST_S} s")
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
