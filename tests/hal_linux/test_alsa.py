import errno
from collections.abc import Callable

import pytest

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.alsa import Direction, failure, open_pcm

Define = Callable[[str], None]


def test_an_open_pcm_tells_the_sizes_it_really_has(define: Define) -> None:
    define("pcm.card { type paced }")
    opened = open_pcm(Direction.CAPTURE, "card", 16000, 20, 500)
    assert opened.period_frames == 320
    assert opened.buffer_frames >= 8000
    opened.pcm.close()


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (errno.EBUSY, "busy: another program has it open"),
        (-errno.ENODEV, "is gone: unplugged"),
        (errno.EACCES, "group audio"),
        (errno.EIO, "failed: Input/output error"),
    ],
)
def test_a_failure_says_in_plain_words_what_is_wrong(cause: int, words: str) -> None:
    text = str(failure("hw:0", cause))
    assert "'hw:0'" in text
    assert words in text


def test_alsa_lib_itself_is_silent(define: Define, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AudioDeviceFailed, match="'nosuch' does not exist"):
        open_pcm(Direction.PLAYBACK, "nosuch", 16000, 20, 200)
    assert capfd.readouterr() == ("", "")


def test_a_plug_in_that_is_not_installed_is_named(define: Define) -> None:
    define("pcm.odd { type mmid_nothing }")
    with pytest.raises(AudioDeviceFailed, match="'odd' does not exist: its alsa-lib plug-in"):
        open_pcm(Direction.PLAYBACK, "odd", 16000, 20, 200)
