"""The samples and the texts of a reply."""

import os
import wave
from array import array
from itertools import pairwise
from pathlib import Path

import pytest

from mmid.errors import SettingsInvalid
from mmid.simcloud.core.voice import growing, phrase, read_wav


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 48000])
def test_the_phrase_is_as_long_at_every_rate_and_has_soft_edges(rate_hz: int) -> None:
    samples = array("h", phrase(rate_hz))
    assert len(samples) / rate_hz == pytest.approx(1.6, abs=0.001)
    assert samples[0] == samples[-1] == 0
    assert 5000 < max(samples) < 16000
    steps = (abs(a - b) for a, b in pairwise(samples))
    assert max(steps) < 12000  # no click at any border of two notes


def test_the_phrase_is_the_same_each_time() -> None:
    first = phrase(16000)
    phrase.cache_clear()
    assert phrase(16000) == first


def write_wav(path: Path, channels: int, width: int, rate_hz: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate_hz, 0, "NONE", ""))
        file.writeframes(bytes(range(240)))
    return path


def test_a_wav_gives_its_samples(tmp_path: Path) -> None:
    assert read_wav(write_wav(tmp_path / "a.wav", 1, 2, 24000), 24000) == bytes(range(240))


@pytest.mark.parametrize("shape", [(2, 2, 24000), (1, 1, 24000), (1, 2, 16000)])
def test_a_wav_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    path = write_wav(tmp_path / "a.wav", *shape)
    with pytest.raises(SettingsInvalid, match=r"a\.wav: .* must be 1 channel, 16 bit, 24000 Hz"):
        read_wav(path, 24000)


def test_what_is_no_wav_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, content in (("text", b"hello"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
    for name in ("text", "empty", "pipe"):
        with pytest.raises(SettingsInvalid, match="not a readable WAV"):
            read_wav(tmp_path / name, 24000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two three four", ["one", "one two", "one two three", "one two three four"]),
        ("a b c d e f g h", ["a b", "a b c d", "a b c d e f", "a b c d e f g h"]),
        ("今天天气", ["今", "今天", "今天天", "今天天气"]),
        ("hi", ["h", "hi"]),
        ("", [""]),
    ],
)
def test_a_text_grows_to_the_whole(text: str, expected: list[str]) -> None:
    assert growing(text) == expected
