"""Time that passes only while everybody waits: a busy machine is never late in it.

A sound card of 20 ms runs dry on a machine that is late by so much, whatever the code under test
does. In here it cannot: the clock stands still while something runs, and when the event loop, or
``time.sleep``, would wait, it jumps to the end of the wait. The cards of the tests go by it, too.
"""

import asyncio
import ctypes
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest


class VirtualTime:
    """The monotonic clock of this process, of its event loop and of the cards.

    Args:
        cards: the plug-ins for alsa-lib that go by it.
        patch: puts the clock in place, for one test.
    """

    def __init__(self, cards: Iterable[Path], patch: pytest.MonkeyPatch) -> None:
        self._now = time.monotonic()
        self._cards = [
            ctypes.c_int64.in_dll(ctypes.CDLL(str(card)), "virtual_ns") for card in cards
        ]
        for card in self._cards:
            patch.setattr(card, "value", 0)  # to be put back: others go by the real clock
        patch.setattr(time, "monotonic", lambda: self._now)
        patch.setattr(time, "sleep", self.pass_by)
        self.pass_by(0)
        self._patch = patch

    def pass_by(self, seconds: float) -> None:
        """Let so much time pass at once, in which the event loop has no turn."""
        self._now += max(0.0, seconds)
        for card in self._cards:
            card.value = round(self._now * 1e9)

    def govern(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the loop jump over its waits; what a descriptor or a thread brings comes first."""
        selector: Any = loop._selector  # type: ignore[attr-defined]
        look = selector.select

        def select(timeout: float | None = None) -> Any:
            ready = look(0 if timeout is not None else None)
            if not ready and timeout:
                self.pass_by(timeout)
            return ready

        self._patch.setattr(selector, "select", select)
