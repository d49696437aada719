import json

import pytest

from mmid.cli.mmictl.history import show


def test_the_history_tells_when_how_long_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    moves = [
        [1_700_000_000_000, "connecting", "attempt 1"],
        [1_700_000_000_250, "dialling", "credential"],
        [1_700_000_061_250, "listening", "Listening\x1b[2J"],
    ]
    show(moves, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ", 1)[1].split() for line in lines] == [
        ["0.250", "s", "connecting", "attempt", "1"],
        ["61.000", "s", "dialling", "credential"],
        ["now", "listening", "Listening\ufffd[2J"],
    ]
    show(moves, as_json=True)
    assert json.loads(capsys.readouterr().out)[1] == {
        "unix_ms": 1_700_000_000_250,
        "state": "dialling",
        "cause": "credential",
    }


def test_an_empty_history_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    show([], as_json=False)
    assert capsys.readouterr().out == ""
