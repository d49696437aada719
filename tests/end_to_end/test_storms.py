"""Dialogs go on whatever other programs do to the bus; the figures are bench/dbus_storm.py's."""

from bench.board import board
from bench.dbus_storm import storm, turn


async def test_a_dialog_goes_on_in_storms_on_the_bus() -> None:
    async with board(paced=True) as (made, listener):
        calm = await turn(made, listener, 0.2)
        assert calm.good
        for name in ("deaf", "blind-calls", "malformed"):
            async with storm(name, made):
                stormy = await turn(made, listener, 0.2)
            assert stormy.good, name
            assert stormy.ping_ms < 1000, name  # a flood that had to be read first took minutes
            assert stormy.memory_mib < calm.memory_mib + 8, name
        assert "Traceback" not in made.log()
