"""Collaborators of the session that a test holds in its hand: store, clock, host, service, peer.

None of them is ever the thing under test.
"""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from typing import Self

import pytest

from mmid.errors import MmidError, StorageFailed
from mmid.events import Error, Event
from mmid.secrets import Secret
from mmid.session.access import Credential
from mmid.session.effects import Effect, Emit
from mmid.session.license.messages import ExchangeReply, ExchangeRequest, Registration, Token

_DEVICE_SECRET = "0f" * 16
_PATIENCE_S = 10.0


class MemoryStore:
    """A ``Store`` in memory that counts, can fail and can be held up.

    Attributes:
        payload: what it holds.
        saved: every payload that ``save`` was called with.
        saved_in: in how many places each of them was to be.
        broken: it refuses every save, as a full or write-protected medium does.
        forgetful: it pretends to save, as worn flash does.
        overlapped: two calls were inside at once.
    """

    name = "memory:"

    def __init__(self, payload: bytes | None = None) -> None:
        self.payload = payload
        self.saved: list[bytes] = []
        self.saved_in: list[int] = []
        self.broken = self.forgetful = self.overlapped = False
        self._inside = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._entered = threading.Event()
        self._news = threading.Condition()

    def load(self) -> bytes | None:
        return self.payload

    def save(self, payload: bytes, *, both: bool = True) -> None:
        with self._alone():
            self.saved.append(payload)
            self.saved_in.append(2 if both else 1)
            if self.broken:
                raise StorageFailed("memory: is write-protected")
            if not self.forgetful:
                self.payload = payload

    def erase(self) -> None:
        with self._alone():
            if self.broken:
                raise StorageFailed("memory: is write-protected")
            self.payload = None

    @contextmanager
    def held_up(self) -> Iterator[Self]:
        """Let no call of ``save`` or ``erase`` end inside this block."""
        self._open.clear()
        self._entered.clear()
        try:
            yield self
        finally:
            self._open.set()

    async def entered(self) -> None:
        """Wait until a call is held up."""
        assert await asyncio.to_thread(self._entered.wait, _PATIENCE_S)

    async def saves(self, count: int) -> None:
        """Wait until this many calls of ``save`` have ended, well or not."""
        assert await asyncio.to_thread(self._wait, count), f"{len(self.saved)} saves, not {count}"

    def _wait(self, count: int) -> bool:
        with self._news:
            ended = lambda: len(self.saved) >= count and not self._inside.locked()  # noqa: E731
            return self._news.wait_for(ended, _PATIENCE_S)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._inside.acquire(blocking=False):
            self.overlapped = True
            raise StorageFailed("memory: was called twice at once")
        try:
            self._entered.set()
            assert self._open.wait(_PATIENCE_S)
            yield
        finally:
            self._inside.release()
            with self._news:
                self._news.notify_all()


class TestClock:
    """A ``Clock`` that a test sets."""

    __test__ = False

    def __init__(self) -> None:
        self.offset_ms = 0
        self._set = asyncio.Event()
        self._set.set()

    @property
    def synchronized(self) -> bool:
        return self._set.is_set()

    @synchronized.setter
    def synchronized(self, value: bool) -> None:
        (self._set.set if value else self._set.clear)()

    def monotonic(self) -> float:
        return time.monotonic()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms

    async def wait_synchronized(self) -> None:
        await self._set.wait()


class Host:
    """A ``Host`` that writes down every effect, and lets a test wait for one."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.on_effect: Callable[[Effect], None] = lambda _: None
        self.dropped_bytes = 0
        self.full = False
        self._news = asyncio.Event()

    def perform(self, effect: Effect) -> None:
        self.effects.append(effect)
        self._news.set()
        self.on_effect(effect)

    async def room(self) -> None:
        """Always room."""

    def speech_sent(self) -> None:
        """Nothing to note."""

    def speech_dropped(self, count: int) -> None:
        self.dropped_bytes += count

    @property
    def events(self) -> list[Event]:
        return [effect.event for effect in self.effects if isinstance(effect, Emit)]

    @property
    def errors(self) -> list[Error]:
        return [event for event in self.events if isinstance(event, Error)]

    async def wait_for(self, effect: Effect, *, nth: int = 1) -> None:
        """Wait until an effect came for the nth time."""
        await self.wait_until(lambda: self.effects.count(effect) >= nth, effect)

    async def wait_until(self, true: Callable[[], bool], what: object = "it") -> None:
        """Wait until something is true after an effect."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while not true():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{what} did not come; there were {self.effects}") from None


async def rehearsed(_: Credential) -> None:
    """A way to the cloud that is open."""


Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Answer = ExchangeReply | MmidError | Callable[[ExchangeRequest], ExchangeReply]


class LicenseDesk:
    """An ``Exchange`` that gives prepared answers, one a request, the last one for ever.

    Attributes:
        requests: what was asked so far.
        gate: requests wait for it; set from the start.
    """

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[ExchangeRequest] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def __call__(self, request: ExchangeRequest, *, timeout_s: float) -> ExchangeReply:
        self.requests.append(request)
        self.asked.set()
        async with asyncio.timeout(timeout_s):
            await self.gate.wait()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, MmidError):
            raise answer
        return answer(request) if callable(answer) else answer

    @property
    def kinds(self) -> list[str]:
        """What was asked for, in order."""
        return [request.kind.value for request in self.requests]


def registration() -> Registration:
    """Return an answer to a registration."""
    return Registration(Secret(_DEVICE_SECRET), "ab" * 13, time.time_ns() // 1_000_000)


def token(text: str = "st-token", *, life_s: float = 60.0, skew_ms: int | None = None) -> Token:
    """Return a token that lives so long by the service's clock, which is ``skew_ms`` ahead."""
    now_ms = time.time_ns() // 1_000_000 + (skew_ms or 0)
    expires_ms = now_ms + round(life_s * 1000)
    return Token(Secret(text), expires_ms, "ab" * 13, now_ms, clock_skew_ms=skew_ms)


@asynccontextmanager
async def peer(handle: Peer, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that speaks as a test wants; yields its port."""

    served: list[asyncio.Future[None]] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        served.append(done)
        with suppress(OSError):  # the other side may be gone before us
            with closing(writer):
                await handle(reader, writer)
            await writer.wait_closed()
        done.set_result(None)

    running = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=context)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        running.close()
        async with asyncio.timeout(_PATIENCE_S):
            await asyncio.gather(*served)


@contextmanager
def dead_first_address(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give every name two addresses, of which nobody answers at the first.

    A full queue drops what asks for a connection, as a route to nowhere does.
    """
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.2", port))
        full.listen(0)
        for _ in range(4):
            filler = waiting.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.2", port))
        stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        found = [(*stream, (host, port)) for host in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        yield
