"""A D-Bus client that remembers every signal, with its time, and can wait for one."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dbus_next.message import Message

from mmid.dbus.client import Client
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import DBUS
from mmid.errors import BusFailed

# Generous: what is waited for takes a second or two, but machines stall.
WAIT_S = 30.0

DIALOG = "org.mmid1.Dialog"
DEVICE = "org.mmid1.Device"


@dataclass(frozen=True, slots=True)
class Heard:
    """One signal.

    Attributes:
        at: ``time.monotonic`` when it came.
        name: its name, or ``State`` and the like for a changed property.
        values: its arguments, or the property's new value.
    """

    at: float
    name: str
    values: tuple[Any, ...]


class EarlyClient(Client):
    """Hears mmid from its first word on, which it may say before the bus has told who it is."""

    def _admit(self, message: Message, unix_fds: int) -> None:
        if self._owner:
            super()._admit(message, unix_fds)


class Listener:
    """Collects the signals of ``org.mmid1`` as they come."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: list[Heard] = []
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen; mmid need not be there yet."""
        self._task = asyncio.create_task(self._listen())
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def call(self, member: str, signature: str = "", *arguments: Any) -> list[Any]:
        """Call a method of the dialog."""
        return await self.client.call(DIALOG, member, signature, *arguments)

    async def state(self) -> str:
        """Return the dialog's state."""
        return str(await self.client.get(DIALOG, "State"))

    def names(self, since: float = 0.0) -> list[str]:
        """Return the names of the events (not the properties) since a moment."""
        return [one.name for one in self.heard if one.at >= since and one.name[0] != "."]

    def texts(self, name: str) -> list[str]:
        """Return the first argument of each signal of a name."""
        return [str(one.values[0]) for one in self.heard if one.name == name]

    async def wait_for(
        self, name: str, *values: Any, after: int = 0, timeout_s: float = WAIT_S
    ) -> Heard:
        """Wait for a signal, or (".State", "listening") for a property; may have come already.

        Args:
            name: the signal's name, or a dot and the property's.
            values: what its arguments must begin with.
            after: look only at what was heard from this index of ``heard`` on.
            timeout_s: give up after this time.
        """

        def fits(one: Heard) -> bool:
            return one.name == name and one.values[: len(values)] == values

        return await self._wait(fits, f"{name}{values or ''}", after, timeout_s)

    async def wait_for_any(self, *names: str, after: int = 0) -> Heard:
        """Wait for the first signal that has one of the names."""
        return await self._wait(lambda one: one.name in names, " or ".join(names), after, WAIT_S)

    async def _wait(
        self, fits: Callable[[Heard], bool], what: str, after: int, timeout_s: float
    ) -> Heard:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for one in self.heard[after:]:
                        if fits(one):
                            return one
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            said = [f"{one.name}{one.values}" for one in self.heard[after:]]
            raise AssertionError(f"waited in vain for {what}; heard {said}") from None

    async def _listen(self) -> None:
        pause_s = 0.02
        while True:
            with suppress(CallFailed, BusFailed):
                await self.client.listen()
                now = await self.client.get_all(DIALOG)
                break
            await asyncio.sleep(pause_s)  # mmid owns its name once it is ready
            pause_s *= 1.1  # each try adds two rules to the bus, which takes 512 of a client
        for name, value in now.items():
            self._note(f".{name}", (value,))
        async for signal in self.client.signals():
            if signal.changed:
                for name, value in signal.changed.items():
                    self._note(f".{name}", (value,))
            elif signal.interface != DBUS:
                self._note(signal.name, tuple(signal.arguments.values()))

    def _note(self, name: str, values: tuple[Any, ...]) -> None:
        self.heard.append(Heard(time.monotonic(), name, values))
        self._news.set()
