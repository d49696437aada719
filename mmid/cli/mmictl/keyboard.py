"""Keys of a terminal as they are pressed and released.

A terminal tells presses only. But it repeats a key that is held, so silence
after repeats is the release; and a key that never repeats was tapped, so the
next one is.
"""

import asyncio
import os
import sys
import termios
import tty
from contextlib import suppress
from enum import StrEnum
from typing import Any, Self

# Keyboards wait 250 to 660 ms before they repeat, and then repeat 10 to 30 times a second.
_FIRST_REPEAT_S = 0.75
_NEXT_REPEAT_S = 0.25

_KEPT = 64  # keys that wait; whoever types faster loses them


class Key(StrEnum):
    """What a key means here."""

    SPACE = "space"
    ENTER = "enter"
    CANCEL = "cancel"
    QUIT = "quit"


_KEYS = {
    b" ": Key.SPACE,
    b"\r": Key.ENTER,
    b"\n": Key.ENTER,
    b"c": Key.CANCEL,
    b"q": Key.QUIT,
    b"\x04": Key.QUIT,  # Ctrl-D
}


class Keyboard:
    """The terminal's keyboard, one key at a time and unseen; use it as a context manager.

    Args:
        terminal: descriptor of the terminal.
    """

    def __init__(self, terminal: int | None = None) -> None:
        self._terminal = sys.stdin.fileno() if terminal is None else terminal
        self._keys: asyncio.Queue[Key] = asyncio.Queue(_KEPT)
        self._loop = asyncio.get_running_loop()
        self._before: list[Any] = []
        self._quit = False

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._terminal)
        tty.setcbreak(self._terminal)  # Ctrl-C still ends us
        self._loop.add_reader(self._terminal, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._terminal)
        with suppress(termios.error):  # a terminal that was closed wants nothing back
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    async def press(self) -> Key:
        """Wait for a key; after the one that quits there is no other."""
        if not self._quit:
            key = await self._keys.get()
            self._quit = key is Key.QUIT
            return key
        return Key.QUIT

    async def release(self, pressed: Key) -> Key:
        """Wait until ``pressed`` is let go, or for the next key if it was not held; return it."""
        return await self.held(pressed) or await self.press()

    async def held(self, pressed: Key) -> Key | None:
        """Wait until ``pressed`` repeats no more; return the last key, None if there was none."""
        last: Key | None = None
        while pressed is Key.SPACE and last in {None, pressed}:
            try:
                async with asyncio.timeout(_NEXT_REPEAT_S if last else _FIRST_REPEAT_S):
                    last = await self.press()
            except TimeoutError:
                break
        return last

    def _read(self) -> None:
        data = b""
        with suppress(OSError):  # EIO: a terminal that hung up, or whose session has ended
            data = os.read(self._terminal, 64)
        if not data:  # it was closed
            self._loop.remove_reader(self._terminal)
            data = b"\x04"
        for byte in data:
            key = _KEYS.get(bytes([byte]))
            if key is Key.QUIT and self._keys.full():
                self._keys.get_nowait()  # it is the last one, and must be heard
            if key is not None and not self._keys.full():
                self._keys.put_nowait(key)
