"""A whole board in a room: its microphone hears its loudspeaker, and whoever talks.

What it plays comes back 30 ms later and 12 dB less loud, with the room's answer
(``room_pcm.c``).
"""

import asyncio
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.rig.alsa_plugin import compile_plugin
from tests.rig.board import Board
from tests.rig.listener import WAIT_S, Listener

RATE_HZ = 16000

STORY = (
    "Once upon a time there was a fox who walked through the forest every morning to see what "
    "the weather would be like. In the winter there was snow, in the summer the sun came out "
    "between the trees, and in the evening a light wind blew from the west. "
)


class RoomBoard(Board):
    """A board whose microphone hears its loudspeaker, and who talks."""

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, **options)
        plugin = compile_plugin("room_pcm.c", directory)
        files = f'talker "{directory}/talker" trace "{directory}/trace"'
        room = f"{{{{ type room delay_ms 30 gain 25 noise 3 rt60_ms 100 {files} }}}}"
        pcms = f"pcm.microphone {room}\npcm.loudspeaker {room}\n"
        self.asound = f'pcm_type.room {{{{ lib "{plugin}" }}}}\n{pcms}'

    def say(self, voice: bytes) -> None:
        """Have it said in the room, now."""
        with (self.directory / "talker").open("ab") as talker:
            talker.write(voice)

    def recorded(self) -> int:
        """How many frames the microphone has recorded."""
        trace = self.directory / "trace"
        return trace.stat().st_size // 4 if trace.exists() else 0

    def sounded(self) -> "array[int]":
        """Return what the loudspeaker played, by the microphone's clock."""
        return self._trace()[::2]

    def said(self) -> "array[int]":
        """Return what was said, by the microphone's clock.

        A voice comes in where the card was read last: up to 100 ms before ``say`` was called.
        """
        return self._trace()[1::2]

    def _trace(self) -> "array[int]":
        data = (self.directory / "trace").read_bytes()
        return array("h", data[: len(data) // 4 * 4])


@asynccontextmanager
async def clock_of(board: RoomBoard) -> AsyncIterator[list[float]]:
    """Find out when the microphone recorded its first frame: the list's first is the least."""
    started: list[float] = [time.monotonic()]

    async def look() -> None:
        while True:
            began = time.monotonic() - board.recorded() / RATE_HZ
            started[0] = min(started[0], began)
            await asyncio.sleep(0.005)

    looking = asyncio.create_task(look())
    yield started
    looking.cancel()


async def until_it_is(listener: Listener, state: str) -> None:
    """Wait for a state of the echo canceller."""
    async with asyncio.timeout(WAIT_S):
        after = 0
        while True:
            told = await listener.wait_for(".EchoCancellation", after=after)
            if told.values[0]["state"] == state:
                return
            after = listener.heard.index(told) + 1


def silent_from(samples: "array[int]", begin: int) -> int:
    """Return from which index on, at ``begin`` or later, a fifth of a second is silent."""
    for at in range(begin, len(samples), RATE_HZ // 1000):
        if not any(abs(sample) > 30 for sample in samples[at : at + RATE_HZ // 5]):
            return at
    raise AssertionError("the loudspeaker was never silent")


def sounds_from(samples: "array[int]", begin: int) -> int:
    """Return the index of the first sample, at ``begin`` or later, that is no silence."""
    return next(at for at in range(begin, len(samples)) if abs(samples[at]) > 30)
