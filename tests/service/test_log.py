import io
import logging
import re
from collections.abc import Iterator

import pytest

from mmid.secrets import MASK, Secret
from mmid.service.log import LineHandler, Repeats, clean

SECRET = Secret("correct-horse-battery")

LINE = ("mmid.x", logging.INFO, "text")


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(output: io.StringIO) -> Iterator[logging.Logger]:
    """A logger whose only way out is the handler under test."""
    logger = logging.Logger("mmid.session.link")  # noqa: LOG001 - off the tree
    handler = LineHandler(output)
    logger.addHandler(handler)
    yield logger
    handler.close()


def test_a_line_has_time_level_logger_and_text(log: logging.Logger, output: io.StringIO) -> None:
    log.info("connected to %s", "cloud")
    log.error("gone")
    first, second = output.getvalue().splitlines()
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}"
    assert re.fullmatch(rf"{moment} info  mmid\.session\.link: connected to cloud", first)
    assert re.fullmatch(rf"{moment} error mmid\.session\.link: gone", second)


def test_no_text_can_pass_for_a_line_of_its_own(log: logging.Logger, output: io.StringIO) -> None:
    log.info("said %s", "a\n2026-01-01T00:00:00.000 error mmid: forged\r\x1b[2J\u2028b")
    _, second = output.getvalue().splitlines()
    assert second == r"    2026-01-01T00:00:00.000 error mmid: forged\x0d\x1b[2J\x2028b"


def test_a_huge_text_is_cut(log: logging.Logger, output: io.StringIO) -> None:
    log.info("%s", "x" * 2_000_000)
    assert len(output.getvalue()) < 20_000
    assert output.getvalue().endswith("... (2000000 characters)\n")


def test_a_secret_next_to_a_control_character_is_masked() -> None:
    assert clean(f"\x00{SECRET.reveal()}\x00") == rf"\x00{MASK}\x00"


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError(SECRET.reveal())


def test_a_line_that_cannot_be_made_harms_nobody_and_shows_no_argument(
    log: logging.Logger, output: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    log.info("%d", SECRET.reveal())
    log.info("%s", Unprintable())
    log.info("next")
    assert output.getvalue().endswith(" mmid.session.link: next\n")
    complaints = capsys.readouterr().err.splitlines()
    assert [line.rpartition(" ")[2] for line in complaints] == ["(TypeError)", "(RuntimeError)"]
    assert SECRET.reveal() not in "".join(complaints)


def test_a_closed_stream_harms_nobody(log: logging.Logger, output: io.StringIO) -> None:
    output.close()
    log.info("into nothing")


# --- repeats --------------------------------------------------------------------------------


def admitted(repeats: Repeats, times: int, now: float = 0.0) -> int:
    return sum(repeats.admit(LINE, now) for _ in range(times))


def test_a_line_is_written_a_few_times_and_then_counted() -> None:
    repeats = Repeats()
    assert admitted(repeats, 100) == Repeats.ALLOWED
    assert repeats.withheld(Repeats.WINDOW_S - 1) == []
    assert repeats.withheld(Repeats.WINDOW_S) == [(LINE, 100 - Repeats.ALLOWED)]
    assert repeats.withheld(Repeats.WINDOW_S) == []
    assert admitted(repeats, 1, now=Repeats.WINDOW_S) == 1


def test_a_line_that_was_never_withheld_is_not_told() -> None:
    repeats = Repeats()
    admitted(repeats, Repeats.ALLOWED)
    assert repeats.withheld(1e9) == []


def test_lines_differ_by_logger_and_level_too() -> None:
    repeats = Repeats()
    admitted(repeats, 100)
    assert repeats.admit(("mmid.y", LINE[1], LINE[2]), 0.0)
    assert repeats.admit((LINE[0], logging.ERROR, LINE[2]), 0.0)


def test_the_oldest_line_is_told_and_forgotten_when_too_many_are_watched() -> None:
    repeats = Repeats()
    admitted(repeats, Repeats.ALLOWED + 2)
    told = []
    for number in range(10 * Repeats.LINES):
        told += repeats.withheld(0.0)
        repeats.admit(("mmid.x", logging.INFO, str(number)), 0.0)
    assert told == [(LINE, 2)]
    assert len(repeats._seen) <= Repeats.LINES + 1


def test_the_next_line_tells_how_many_there_were(
    log: logging.Logger, output: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("mmid.service.log.time.monotonic", lambda: now)
    for _ in range(9):
        log.warning("no route\nto host")
    now += Repeats.WINDOW_S
    log.info("connected")
    *_, told, last = output.getvalue().splitlines()
    assert told.endswith("warning mmid.session.link: repeated 4 times: no route")
    assert last.endswith("connected")
    assert output.getvalue().count("to host") == Repeats.ALLOWED
