"""Tells when one client of the bus has left it, however it ended.

The one who holds the microphone is watched, or who held it last: the bus wakes us
for no other client's comings and goings.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from mmid.dbus.bus import Bus
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import DBUS, DBUS_PATH
from mmid.dbus.wire import Message
from mmid.errors import BusFailed


class ClientWatch:
    """Watches one client at a time.

    Args:
        bus: where the client is; its ``on_signal`` is taken.
        left: called once with the client's unique name when it is gone.
    """

    def __init__(self, bus: Bus, left: Callable[[str], None]) -> None:
        self._bus = bus
        self._left = left
        self._client = ""
        self._followed = ""  # whose leaving the bus tells us
        self._checks: set[asyncio.Task[None]] = set()
        bus.on_signal = self._hear

    def watch(self, client: str) -> None:
        """Watch this client instead of the one before; nobody for the empty name."""
        self._client = client
        # A board has one button, mostly: whoever let go presses next, and the bus need not
        # be asked anew. Two rules and a question for each press are a tenth of a short turn's CPU.
        if client and client != self._followed:
            self._follow(client)
            # It may have left before the rule was there. One check a change of
            # holder, and each ends with the bus's answer: their number is bounded.
            task = asyncio.create_task(self._check(client), name="dbus-client-check")
            self._checks.add(task)
            task.add_done_callback(self._checks.discard)

    async def close(self) -> None:
        """Give up a check that is under way."""
        for task in self._checks:
            task.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)

    def _follow(self, client: str) -> None:
        """Have the bus tell when this client leaves, and no other."""
        if self._followed:
            self._bus.tell_bus("RemoveMatch", _rule(self._followed))
        self._followed = client
        if client:
            self._bus.tell_bus("AddMatch", _rule(client))

    async def _check(self, client: str) -> None:
        # Without an answer the bus is lost, and we with it.
        with suppress(BusFailed, CallFailed):
            if not await self._bus.ask_bus("NameHasOwner", "s", client):
                self._gone(client)

    def _hear(self, message: Message) -> None:
        told = (message.sender, message.member, message.signature)
        if told == (DBUS, "NameOwnerChanged", "sss"):
            name, _, owner = message.body
            if not owner:
                self._gone(name)

    def _gone(self, client: str) -> None:
        if client == self._followed:
            self._follow("")
        if client == self._client:
            self._client = ""
            self._left(client)


def _rule(client: str) -> str:
    return (
        f"type='signal',sender='{DBUS}',path='{DBUS_PATH}',interface='{DBUS}',"
        f"member='NameOwnerChanged',arg0='{client}'"
    )
