"""What mmid did last, after whatever ended it."""

import logging
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmid.gateway.black_box import CAPACITY, UNCLEAN_END, BlackBox, Transition

ROOT = Path(__file__).parents[2]


@contextmanager
def opened(directory: Path) -> Iterator[BlackBox]:
    box = BlackBox.open(directory)
    try:
        yield box
    finally:
        box.close()


def states(box: BlackBox) -> list[str]:
    return [one.state for one in box.transitions()]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged about the run before."""
    marked = [one for one in caplog.records if getattr(one, "MESSAGE_ID", "") == UNCLEAN_END]
    return [one.getMessage() for one in marked]


def test_it_holds_what_was_noted_in_order(tmp_path: Path) -> None:
    with opened(tmp_path) as box:
        box.note(1.5, "connecting", "attempt")
        box.note(2.25, "listening", "DialogStateChanged")
        assert box.transitions() == [
            Transition(1.5, "connecting", "attempt"),
            Transition(2.25, "listening", "DialogStateChanged"),
        ]


def test_it_holds_the_last_256_and_the_file_does_not_grow(tmp_path: Path) -> None:
    with opened(tmp_path) as box:
        for number in range(1000):
            box.note(float(number), "state", f"cause {number}")
        held = box.transitions()
    assert [one.cause for one in held] == [f"cause {number}" for number in range(744, 1000)]
    assert len(held) == CAPACITY == 256
    assert (tmp_path / "black-box").stat().st_size == 256 * 80


def test_a_process_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from mmid.gateway.black_box import BlackBox\n"
        "box = BlackBox.open(Path(sys.argv[1]))\n"
        "box.started(1.0, '0')\n"
        "box.note(2.0, 'talking', 'StartSpeech')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    with opened(tmp_path) as box:
        assert box.transitions()[-1] == Transition(2.0, "talking", "StartSpeech")


def test_a_line_that_was_half_written_is_left_out(tmp_path: Path) -> None:
    with opened(tmp_path) as box:
        for state in ("first", "second", "third"):
            box.note(1.0, state, "")
    path = tmp_path / "black-box"
    content = bytearray(path.read_bytes())
    content[2 * 80 + 30] ^= 1
    path.write_bytes(content)
    with opened(tmp_path) as box:
        assert states(box) == ["first", "second"]
        box.note(2.0, "fourth", "")
        assert states(box) == ["first", "second", "fourth"]


FOREIGN = {
    "nothing": b"",
    "too-short": b"\0" * 7,
    "letters": b"x" * 20480,
    "noise": random.Random(1).randbytes(30000),  # noqa: S311 - the same in every run
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_none_of_ours_is_taken_for_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "black-box").write_bytes(content)
    with opened(tmp_path) as box:
        assert box.transitions() == []
        box.note(1.0, "listening", "")
        assert states(box) == ["listening"]


def test_the_file_can_be_read_without_mmid_and_only_by_its_owner(tmp_path: Path) -> None:
    with opened(tmp_path) as box:
        box.note(12345.678, "thinking", "DialogStateChanged")
    path = tmp_path / "black-box"
    line = path.read_bytes()[:80].decode("ascii")
    assert line == (
        f"0000000000 000012345.678 thinking         DialogStateChanged           {line[71:79]}\n"
    )
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_word_of_any_length_and_letters_has_its_column(tmp_path: Path) -> None:
    with opened(tmp_path) as box:
        box.note(1.0, "s" * 50, "grün\n" + "c" * 50)
        assert box.transitions() == [Transition(1.0, "s" * 16, "gr?n?" + "c" * 23)]


def test_a_second_daemon_does_not_write_into_the_first_ones(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from mmid.gateway.black_box import BlackBox\n"
        "box = BlackBox.open(Path(sys.argv[1]))\n"
        "box.note(2.0, 'second', '')\n"
        "print(*(one.state for one in box.transitions()))\n"
    )
    with opened(tmp_path) as box:
        box.note(1.0, "first", "")
        second = subprocess.run(
            [sys.executable, "-c", script, tmp_path],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert second.stdout == "second\n"
        assert states(box) == ["first"]


def test_without_a_directory_it_works_in_memory_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), opened(tmp_path / "nowhere") as box:
        box.note(1.0, "listening", "")
        assert states(box) == ["listening"]
    assert "will not outlive this run" in caplog.text


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "black-box").symlink_to(victim)
    with opened(tmp_path) as box:
        box.note(1.0, "listening", "")
    assert victim.read_text() == "precious"


def test_the_next_start_tells_how_a_run_ended_that_should_not_have(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path) as box:
        box.started(1.0, "0.1")
        box.note(1.5, "older", "run")
        box.ended(2.0, None)
        box.started(3.0, "0.1")
        for number in range(40):
            box.note(4.0, "talking", f"cause {number}")
    with opened(tmp_path) as box:
        box.started(10.5, "0.1")
    first, *moves = told(caplog)
    assert "did not end as it should" in first
    assert [line.split() for line in moves] == [
        ["-6.500", "s", "talking:", "cause", str(number)] for number in range(24, 40)
    ]


def test_a_run_that_failed_is_told_with_what_it_failed_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path) as box:
        box.started(1.0, "0.1")
        box.ended(2.0, OSError())
    with opened(tmp_path) as box:
        box.started(3.0, "0.1")
    assert [line.split() for line in told(caplog)[1:]] == [
        ["-2.000", "s", "started:", "0.1"],
        ["-1.000", "s", "failed:", "OSError"],
    ]


def test_a_run_that_was_stopped_is_not_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with opened(tmp_path) as box:
            box.started(1.0, "0.1")
            box.ended(2.0, None)
    assert told(caplog) == []


def test_the_history_has_the_time_of_the_clock_as_it_is_set_now(tmp_path: Path) -> None:
    with opened(tmp_path) as box:
        box.note(100.0, "connecting", "attempt")
        box.note(101.5, "listening", "DialogStateChanged")
        assert box.history(102.0, 1_700_000_000_000) == [
            (1_699_999_998_000, "connecting", "attempt"),
            (1_699_999_999_500, "listening", "DialogStateChanged"),
        ]
        assert box.history(102.0, 0) == [
            (0, "connecting", "attempt"),
            (0, "listening", "DialogStateChanged"),
        ]
