"""Dialogs go on whatever other programs do to the bus; the figures are bench/dbus_storm.py's."""

import pytest

from bench import dbus_storm
from bench.dbus_storm import boards, turn, weather


async def test_a_dialog_goes_on_in_storms_on_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbus_storm, "SPEECH_S", 0.2)
    monkeypatch.setattr(dbus_storm, "REPLY_S", 0.3)
    async with boards() as (board, listener):
        assert await turn(listener)
        for name in ("deaf", "blind-calls", "malformed"):
            figure = await weather(board, listener, name, 1)
            assert figure.turns == "1/1", name
            assert figure.ping_ms < 1000, name  # a flood that had to be read first took minutes
            assert figure.memory_kib < 8192, name
        assert "Traceback" not in board.log()
