"""Tells when a client of the bus has left it, however it ended.

Those who hold something of ours are watched, or held it last: the bus wakes us for no other
client's comings and goings.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from mmid.dbus.bus import Bus
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import DBUS, DBUS_PATH
from mmid.dbus.wire import Message
from mmid.errors import BusFailed


class ClientWatch:
    """Watches clients, for as long as each holds something.

    Args:
        bus: where the clients are; its ``on_signal`` is taken.
        left: called once with a client's unique name when it is gone.
    """

    def __init__(self, bus: Bus, left: Callable[[str], None]) -> None:
        self._bus = bus
        self._left = left
        self._watched: dict[str, frozenset[str]] = {}  # by what they hold
        self._followed: set[str] = set()  # whose leaving the bus tells us
        self._checks: set[asyncio.Task[None]] = set()
        bus.on_signal = self._hear

    def watch(self, what: str, holders: Iterable[str]) -> None:
        """Watch these clients instead of those that held ``what`` before."""
        self._watched[what] = frozenset(holders)
        wanted = frozenset[str]().union(*self._watched.values())
        # A board has one button, mostly: whoever let go presses next, and the bus need not
        # be asked anew. Two rules and a question for each press are a tenth of a short turn's CPU.
        new = wanted - self._followed
        if not new:
            return
        for client in self._followed - wanted:
            self._unfollow(client)
        for client in new:
            self._followed.add(client)
            self._bus.tell_bus("AddMatch", _rule(client))
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

    def _unfollow(self, client: str) -> None:
        self._followed.discard(client)
        self._bus.tell_bus("RemoveMatch", _rule(client))

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
        if client in self._followed:
            self._unfollow(client)
        holds = [what for what, clients in self._watched.items() if client in clients]
        for what in holds:
            self._watched[what] -= {client}
        if holds:
            self._left(client)


def _rule(client: str) -> str:
    return (
        f"type='signal',sender='{DBUS}',path='{DBUS_PATH}',interface='{DBUS}',"
        f"member='NameOwnerChanged',arg0='{client}'"
    )
