import json

import pytest

from mmid.cli.mmictl import show
from mmid.dbus.client import Received
from mmid.dbus.interface import DEVICE, DIALOG


def test_what_would_command_a_terminal_is_not_printed() -> None:
    assert show.printable("a\x1b[31mb\r\nc\t d\x9b") == "a�[31mb c d�"


def test_a_text_of_any_language_is_printed_as_it_is() -> None:
    assert show.printable("你好, Grüße") == "你好, Grüße"


@pytest.mark.parametrize("moment", [1, 1_795_132_800_000, 2**64 - 1])
def test_any_expiry_is_shown(moment: int, capsys: pytest.CaptureFixture[str]) -> None:
    show.properties({DEVICE: {"TokenExpiry": moment}}, as_json=False)
    assert capsys.readouterr().out.split("TokenExpiry")[1].strip() not in {"", "none"}


def test_an_event_is_one_line_whatever_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    signal = Received(DIALOG, "Error", {"code": "tls", "message": "two\nlines"})
    show.event(signal, as_json=False)
    show.event(signal, as_json=True)
    plain, as_json = capsys.readouterr().out.splitlines()
    assert plain.split()[1:] == ["Error", "tls", "two", "lines"]
    assert json.loads(as_json)["args"] == {"code": "tls", "message": "two\nlines"}


def test_in_json_what_would_command_a_terminal_is_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "a\x1bc\x9b31m 你好"
    show.event(Received(DIALOG, "Error", {"code": "tls", "message": text}), as_json=True)
    show.reply("?", text, as_json=True)
    event, reply = capsys.readouterr().out.splitlines()
    assert (event + reply).isprintable()
    assert "你好" in event
    assert json.loads(event)["args"]["message"] == json.loads(reply)["reply"] == text
