import io
import logging
import os
import re
from collections.abc import Iterator

import pytest

from mmid.secrets import MASK, Secret, clean
from mmid.service.log import LineHandler

SECRET = Secret("correct-horse-battery")


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


def test_a_name_that_is_no_utf_8_can_be_written() -> None:
    assert clean(os.fsdecode(b"/mnt/caf\xe9")).encode() == rb"/mnt/caf\xdce9"


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
