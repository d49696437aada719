"""The bare client's sound, which is the same with each cloud, and the turns of its dialogs."""

import asyncio
import os
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import alsaaudio  # type: ignore[import-not-found,unused-ignore]
from websockets.asyncio.client import ClientConnection

from bench.process import instructions

if TYPE_CHECKING:
    from bench.bare_echo import BareCanceller

UP_HZ = 16000
_PERIOD_S, _CHUNK_S = 0.02, 0.1
# Half a second: more than a frame of the cloud.
_PERIODS = 25

# So long the microphone is open before anything is measured.
OPEN_BEFORE_S = 0.5


class Dialog(ABC):
    """One connection: its sound, which is the same with each cloud.

    Attributes:
        replying, replied, over: the news that a reply begins, that all its sound has come, and
            that the cloud listens again.
        reply_hz: rate of a reply.
    """

    replying, replied, over = "", "", ""
    reply_hz = 24000

    def __init__(self, connection: ClientConnection, facts: dict[str, Any]) -> None:
        self._connection = connection
        self._facts = facts
        self._player: Any = None
        self._canceller = _canceller(self.reply_hz) if facts.get("cancelling") else None
        self._news: asyncio.Queue[str] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())

    @abstractmethod
    async def start(self) -> None:
        """Begin the dialog, and wait until the cloud listens."""

    @abstractmethod
    async def tell(self, what: str) -> None:
        """Tell of ``speak``, ``stop``, ``ask``, ``playing`` and ``played`` what the cloud needs."""

    @abstractmethod
    def frame(self, samples: bytes) -> str | bytes:
        """Return what carries some speech."""

    @abstractmethod
    def take(self, frame: str | bytes) -> tuple[bytes, str]:
        """Return the samples that came, and the news."""

    async def push_to_talk(self, seconds: float) -> float:
        """Speak so long, hear the answer out, and return what was spent."""
        before = self._spent()
        await self.tell("speak")
        await self._speak(seconds)
        await self.tell("stop")
        await self._hear_out()
        return self._spent() - before

    async def full_duplex(self, seconds: float) -> float:
        """Have the microphone open so long, ask, and hear the answer out meanwhile."""
        speaking = asyncio.create_task(self._speak(OPEN_BEFORE_S + seconds))
        await asyncio.sleep(OPEN_BEFORE_S)
        before = self._spent()
        await self.tell("ask")
        await self._hear_out()
        await speaking
        return self._spent() - before

    async def rest(self) -> None:
        """Stay connected while nobody talks; websockets pings the cloud where that is the way."""
        await self._connection.wait_closed()

    async def _speak(self, seconds: float) -> None:
        recorder = _open(alsaaudio.PCM_CAPTURE, "microphone", UP_HZ)
        frames = [recorder.read()[1]]  # starts it
        began, chunks = time.monotonic(), int(seconds / _CHUNK_S)
        for number in range(1, chunks + 1):
            await asyncio.sleep(began + number * _CHUNK_S - time.monotonic())
            # If it ran over, 0.10 raises, too.
            with suppress(alsaaudio.ALSAAudioError):
                while frame := recorder.read()[1]:
                    frames.append(frame)
            samples = b"".join(frames)
            if self._canceller is not None:
                samples = self._canceller.clean(samples)
            await self._connection.send(self.frame(samples))
            frames = []
        recorder.close()

    async def _hear_out(self) -> None:
        await self.until(self.replying)
        self._player = _open(alsaaudio.PCM_PLAYBACK, "loudspeaker", self.reply_hz)
        await self.tell("playing")
        await self.until(self.replied)
        self._player.drop()
        self._player = self._player.close()
        await self.tell("played")
        await self.until(self.over)

    async def stop(self) -> None:
        """Read no more."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    def _spent(self) -> float:
        if counts := self._facts.get("counts"):
            return instructions(Path(counts), os.getpid())
        return 1000 * time.process_time()

    async def until(self, *names: str) -> None:
        """Wait for pieces of news, in any order."""
        awaited = set(names)
        while awaited:
            awaited.discard(await self._news.get())

    async def _read(self) -> None:
        async for frame in self._connection:
            samples, news = self.take(frame)
            if news:
                self._news.put_nowait(news)
            if samples and self._player is not None:
                if self._canceller is not None:
                    self._canceller.play(samples)
                # If it ran dry, 0.10 raises where 0.11 returns it; both then go on.
                with suppress(alsaaudio.ALSAAudioError):
                    self._player.write(samples)


def _canceller(reply_hz: int) -> "BareCanceller":
    from bench.bare_echo import BareCanceller  # noqa: PLC0415 - as mmid, only where it is wanted

    return BareCanceller(reply_hz)


def _open(kind: int, device: str, rate_hz: int) -> Any:
    return alsaaudio.PCM(
        type=kind,
        mode=alsaaudio.PCM_NONBLOCK,
        device=device,
        rate=rate_hz,
        channels=1,
        format=alsaaudio.PCM_FORMAT_S16_LE,
        periodsize=int(rate_hz * _PERIOD_S),
        periods=_PERIODS,
    )
