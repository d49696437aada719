from pathlib import Path

import pytest

from demo.speech import recorded, speak, write_wav


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: .*No such file"),
        (b"", "cannot be read"),
        (b"no sound at all", "cannot be read"),
        (0, "is shorter than"),
    ],
)
def test_what_is_no_recording_is_refused_in_a_line(
    tmp_path: Path, content: bytes | int | None, said: str
) -> None:
    path = tmp_path / "question.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        write_wav(path, bytes(content), 16_000)
    with pytest.raises(SystemExit, match=f"^demo: {path} {said}"):
        recorded(path, 16_000)


def test_without_a_voice_one_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"^demo: espeak-ng is not there"):
        speak("Hello", 16_000, tmp_path)
