import errno
import time
from collections.abc import Callable
from typing import Any

import alsaaudio  # type: ignore[import-not-found,unused-ignore]
import pytest

from mmid.hal_linux.audio.alsa import Direction, PcmRequest
from mmid.hal_linux.audio.alsaaudio010 import Pcm010
from mmid.hal_linux.audio.capture.pcm import CapturePcm

RATE_HZ = 16000
BUFFER_FRAMES = 8000
XRUN, RUNNING = alsaaudio.PCM_STATE_XRUN, alsaaudio.PCM_STATE_RUNNING

Define = Callable[[str], None]


class Scripted:
    """A PCM of 0.10 in a state, whose calls do what they are told."""

    def __init__(self, state: int, *answers: Any) -> None:
        self.now = state
        self.answers = list(answers)
        self.drop = self.close = lambda: None
        self.after_htimestamp = state
        self.frames = 123

    def state(self) -> int:
        return self.now

    def htimestamp(self) -> tuple[int, int, int]:
        self.now = self.after_htimestamp
        return 0, 0, self.frames

    def _answer(self, *_: bytes) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            self.now = XRUN
            raise answer
        self.now = XRUN if answer in (-errno.EPIPE, (-errno.EPIPE, b"")) else RUNNING
        return answer

    read = write = _answer


def test_an_overrun_that_was_there_before_a_read_is_told_once() -> None:
    pcm = Pcm010(Scripted(XRUN, (2, b"data"), (2, b"more")), BUFFER_FRAMES)
    assert [pcm.read(), pcm.read(), pcm.read()] == [
        (-errno.EPIPE, b""),
        (2, b"data"),
        (2, b"more"),
    ]


def test_an_overrun_that_a_read_runs_into_is_told_once() -> None:
    pcm = Pcm010(Scripted(RUNNING, (-errno.EPIPE, b""), (2, b"data"), (2, b"more")), BUFFER_FRAMES)
    assert [pcm.read()[0], pcm.read()[0], pcm.read()[0]] == [-errno.EPIPE, 2, 2]


def test_each_overrun_is_told() -> None:
    script = Scripted(XRUN, (2, b"data"), (2, b"more"))
    pcm = Pcm010(script, BUFFER_FRAMES)
    counts = [pcm.read()[0], pcm.read()[0]]
    script.now = XRUN
    counts += [pcm.read()[0], pcm.read()[0]]
    assert counts == [-errno.EPIPE, 2, -errno.EPIPE, 2]


def test_an_underrun_that_a_write_runs_into_is_no_failure() -> None:
    broken = alsaaudio.ALSAAudioError("Broken pipe [hw:0]")
    pcm = Pcm010(Scripted(RUNNING, broken, 2, 2), BUFFER_FRAMES)
    assert [pcm.write(b"data"), pcm.write(b"data"), pcm.write(b"more")] == [-errno.EPIPE, 2, 2]


def test_an_underrun_that_was_there_before_a_write_is_told_once() -> None:
    pcm = Pcm010(Scripted(XRUN, 2), BUFFER_FRAMES)
    assert [pcm.write(b"data"), pcm.write(b"data")] == [-errno.EPIPE, 2]


def test_a_write_that_fails_otherwise_fails() -> None:
    script = Scripted(RUNNING, alsaaudio.ALSAAudioError("No such device [hw:0]"))
    script.state = lambda: alsaaudio.PCM_STATE_DISCONNECTED  # type: ignore[method-assign]
    with pytest.raises(alsaaudio.ALSAAudioError, match="No such device"):
        Pcm010(script, BUFFER_FRAMES).write(b"data")


@pytest.mark.parametrize(
    ("state", "frames"),
    [
        (RUNNING, 123),
        (XRUN, -errno.EPIPE),
        (alsaaudio.PCM_STATE_SUSPENDED, -errno.ESTRPIPE),
        (alsaaudio.PCM_STATE_DISCONNECTED, -errno.ENODEV),
    ],
)
def test_avail_is_what_the_last_interrupt_knew_or_the_reason_why_not(
    state: int, frames: int
) -> None:
    assert Pcm010(Scripted(state), BUFFER_FRAMES).avail() == frames


@pytest.mark.parametrize(
    ("found", "frames", "avail"),
    [
        (XRUN, 123, -errno.EPIPE),
        (alsaaudio.PCM_STATE_SUSPENDED, 123, 123),
        (alsaaudio.PCM_STATE_DISCONNECTED, 140415893886462, -errno.ENODEV),
        (alsaaudio.PCM_STATE_DISCONNECTED, -7, -errno.ENODEV),
    ],
)
def test_a_position_that_could_not_be_told_is_not_believed(
    found: int, frames: int, avail: int
) -> None:
    script = Scripted(RUNNING)
    script.after_htimestamp, script.frames = found, frames
    assert Pcm010(script, BUFFER_FRAMES).avail() == avail


@pytest.mark.usefixtures("virtual_time", "either_version")
def test_a_capture_that_nobody_reads_counts_one_overrun_and_goes_on(define: Define) -> None:
    define("pcm.card { type paced }")
    pcm = CapturePcm(PcmRequest(Direction.CAPTURE, "card", RATE_HZ, 20, 500).open())
    pcm.start()
    time.sleep(0.6)  # longer than its buffer
    pcm.read(bytearray())
    deadline, heard = time.monotonic() + 5, bytearray()
    while not pcm.read(heard) and time.monotonic() < deadline:
        time.sleep(0.01)  # a card tells nobody
    assert heard
    assert pcm.overruns == 1
    pcm.close()


@pytest.mark.usefixtures("virtual_time", "either_version")
def test_a_playback_that_ran_dry_tells_so_once_and_goes_on(define: Define) -> None:
    define("pcm.card { type paced }")
    pcm = PcmRequest(Direction.PLAYBACK, "card", RATE_HZ, 20, 200).open().pcm
    quiet = bytes(2 * 3200)
    assert pcm.write(quiet) == 3200
    time.sleep(0.3)  # longer than that lasts
    assert pcm.avail() == -errno.EPIPE
    assert [pcm.write(quiet), pcm.write(quiet)] == [-errno.EPIPE, 3200]
    pcm.drop()
    pcm.close()
