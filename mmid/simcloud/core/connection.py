"""One WebSocket client of a simulated cloud: the I/O around that cloud's protocol.

It feeds frames to the protocol, carries its actions out in order, and keeps the
journal. Two tasks a connection, so that a client which reads slowly, as one
that plays in real time does, is still heard when it interrupts.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from itertools import takewhile
from typing import Protocol

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from mmid.simcloud.core.actions import (
    Action,
    CloseSocket,
    Drop,
    Flood,
    Heard,
    JournalLine,
    Pause,
    ReplyBegin,
    ReplyEnd,
    SendRaw,
    SendReplyAudio,
    SendText,
)
from mmid.simcloud.core.journal import Journal

_MOST_WAITING = 1000  # actions; a client that causes more and reads nothing is dropped
_SEND_S = 30.0

_log = logging.getLogger(__name__)


class ClientProtocol(Protocol):
    """What a cloud has of each client: no I/O, no clock; times are monotonic seconds."""

    @property
    def deadline(self) -> float:
        """When ``tick`` wants to be called; infinity for never."""

    def text(self, text: str, now: float) -> list[Action]:
        """Handle a text frame."""

    def binary(self, data: bytes, now: float) -> list[Action]:
        """Handle a binary frame."""

    def tick(self, now: float) -> list[Action]:
        """Do the one step that is due, when all before has been sent."""

    def lost(self, now: float) -> list[Action]:
        """The connection is gone: return what the journal should know."""


class Connection:
    """One client: a reader, a sender, and between them what waits to be sent."""

    def __init__(
        self, websocket: ServerConnection, protocol: ClientProtocol, journal: Journal
    ) -> None:
        self._websocket = websocket
        self._protocol = protocol
        self._journal = journal
        self._waiting: deque[Action] = deque()
        self._wake = asyncio.Event()
        self._reply: list[bytes] | None = None
        self._reply_mode = "pcm"

    async def run(self) -> None:
        """Serve until the connection ends."""
        # Two tasks: a client that stops reading blocks the sender, and is still heard.
        sender = asyncio.create_task(self._send_all())
        try:
            await self._read_all()
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
            self._account_for_the_rest()

    async def _read_all(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self._websocket:
                now = time.monotonic()
                if isinstance(frame, str):
                    self._post(self._protocol.text(frame, now))
                else:
                    self._post(self._protocol.binary(frame, now))

    async def _send_all(self) -> None:
        """Do what waits, one after the other; when nothing does, let time pass."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                while self._waiting:
                    await self._do(self._waiting.popleft())
                await self._pass_time()

    async def _pass_time(self) -> None:
        pause = self._protocol.deadline - time.monotonic()
        if pause <= 0:
            await asyncio.sleep(0)  # the reader's turn, however fast the replies go
            if not self._waiting:
                self._post(self._protocol.tick(time.monotonic()))
            return
        # A frame that comes meanwhile may have changed the deadline, so it wakes us too.
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if pause == float("inf") else pause):
                await self._wake.wait()

    def _post(self, actions: list[Action]) -> None:
        # What the client did is in the journal at once, even while it reads nothing.
        told = list(takewhile(lambda action: isinstance(action, JournalLine), actions))
        for action in told:
            self._write_down(action)
        self._waiting.extend(actions[len(told) :])
        self._wake.set()
        if len(self._waiting) > _MOST_WAITING:
            _log.warning("a client reads nothing and keeps asking: dropped")
            self._websocket.transport.abort()

    async def _do(self, action: Action) -> None:
        match action:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case CloseSocket(code, reason):
                await self._websocket.close(code, reason)
            case Drop():
                # No closing handshake: to the client the TCP connection just ends.
                self._websocket.transport.abort()
            case SendText() | SendReplyAudio():
                began = time.monotonic()
                if await self._send(action):
                    self._sent(action, began)
            case Flood(frame, count):
                for _ in range(count):
                    if not await self._send(frame):
                        return
            case SendRaw(data):
                # Around the library, which would refuse to send what is no frame.
                self._websocket.transport.write(data)
            case _:
                self._write_down(action)

    async def _send(self, action: SendText | SendReplyAudio) -> bool:
        """Send a frame; False if the client did not take it, and was dropped."""
        try:
            async with asyncio.timeout(_SEND_S):
                if isinstance(action, SendReplyAudio):
                    await self._websocket.send(action.text or action.head + action.data)
                else:
                    await self._websocket.send(action.text)
        except TimeoutError:
            _log.warning("a client did not read for %g s: dropped", _SEND_S)
            self._websocket.transport.abort()
            return False
        return True

    def _sent(self, action: SendText | SendReplyAudio, began: float) -> None:
        if isinstance(action, SendText):
            # The client may have read it before the send returned.
            self._journal.add("event", began, name=action.name, **action.fields)
        elif isinstance(action, SendReplyAudio):
            if action.stray:
                self._journal.add("stray-audio", began, bytes=len(action.data))
            elif self._reply is not None:
                self._reply.append(action.data)

    def _write_down(self, action: Action) -> None:
        """Do an action that only concerns the journal."""
        match action:
            case JournalLine(kind, t, fields):
                self._journal.add(kind, t, **fields)
            case Heard(data, seconds, how, t, packets):
                self._journal.add_speech(data, seconds, how, t, packets)
            case ReplyBegin(mode):
                self._reply, self._reply_mode = [], mode
                self._journal.add("reply-begin")
            case ReplyEnd(cut):
                self._journal.add_reply(self._reply or [], self._reply_mode, cut=cut)
                self._reply = None

    def _account_for_the_rest(self) -> None:
        """The connection is gone: the journal still gets what it should know."""
        for action in (*self._waiting, *self._protocol.lost(time.monotonic())):
            if isinstance(action, JournalLine | Heard):
                self._write_down(action)
        if self._reply is not None:
            self._write_down(ReplyEnd(cut=True))
