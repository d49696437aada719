from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.cli.mmictl.arguments import parse

COMMANDS = [
    *("status", "talk", "ask", "say", "interrupt", "cancel", "new-dialog", "monitor", "timeline"),
    *("connect", "disconnect", "device", "doctor", "support-bundle", "volume", "mute"),
]
OPTIONS = [
    *("--json", "--bus", "--help", "--version", "--history", "--seconds", "--timeout", "--svg"),
    *("--yes", "--config", "--", "-", "-1", "+5", "on", "show", "", "--seconds=nan", "--json=1"),
]


def status_of(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    """Return how a command line that is not obeyed ends, and the complaint."""
    with pytest.raises(SystemExit) as ended:
        parse(words)
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "COMMAND"),
        (("dance",), "invalid choice: 'dance'"),
        (("volume", "101"), "'101' is not 0 to 100, +N or -N"),
        (("volume", "+-1"), "'+-1' is not"),
        (("volume", "loud"), "'loud' is not"),
        (("volume", "\N{ARABIC-INDIC DIGIT THREE}"), "is not 0 to 100"),
        (("talk", "--seconds", "-1"), "'-1' is not more than 0 and at most 3600 seconds"),
        (("talk", "--seconds", "nan"), "'nan' is not more than 0"),
        (("talk", "--seconds", "1e400"), "'1e400' is not"),
        (("talk", "--seconds", "soon"), "'soon' is not"),
        (("talk", "--sec", "1"), "unrecognized arguments: --sec 1"),
        (("ask",), "TEXT"),
        (("ask", "one", "two"), "unrecognized arguments: two"),
        (("status", "--hist"), "unrecognized arguments: --hist"),
    ],
)
def test_wrong_usage_ends_with_64_and_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], complaint: str
) -> None:
    status, said = status_of(capsys, *words)
    assert status == 64
    assert said.startswith("usage: mmictl")
    assert complaint in said


@given(
    st.lists(st.sampled_from(COMMANDS + OPTIONS) | st.text(max_size=5), max_size=6),
)
def test_any_words_are_understood_or_refused_with_64(words: list[str]) -> None:
    command, status = COMMANDS[0], cast("object", 0)
    try:
        command = parse(words).command
    except SystemExit as ended:
        status = ended.code
    assert command in COMMANDS
    assert status in {0, 64}  # 0: it was asked for the help, or the version


def test_the_bus_is_the_one_given_else_the_default() -> None:
    assert parse(["status"]).bus == "system"
    assert parse(["status"], "unix:path=/run/x").bus == "unix:path=/run/x"
    assert parse(["--bus", "session", "status"], "unix:path=/run/x").bus == "session"


def test_a_volume_may_be_lowered_and_a_question_may_begin_with_a_dash() -> None:
    assert parse(["volume", "-10"]).percent == "-10"
    assert parse(["ask", "--", "-40 degrees?"]).text == "-40 degrees?"
