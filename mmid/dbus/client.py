"""The client's side of ``org.mmid1``: for mmictl, and for whoever scripts mmid in Python.

async with await Client.connect("system") as client:
    await client.call(DIALOG, "Ask", "s", "What time is it?")
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Self

from mmid.dbus.bus import Bus
from mmid.dbus.credentials import description_of
from mmid.dbus.failures import ACCESS_DENIED, CallFailed, standard
from mmid.dbus.interface import DBUS, NAME, PATH, PEER, PROPERTIES, TOOL, Contract, load
from mmid.dbus.stream import close_descriptors
from mmid.dbus.wire import Message, MessageFlag, Variant, plain
from mmid.errors import BusFailed
from mmid.frozen import frozen

# Signals that wait to be fetched: hours of a dialog. At the limit the oldest is thrown away,
# because the newest tells the present state.
_SIGNALS_KEPT = 1000


@frozen
class Received:
    """A signal that arrived.

    Attributes:
        interface: the interface it belongs to.
        name: its name, such as ``AsrComplete``.
        arguments: its arguments by the names of the contract, without variants.
    """

    interface: str
    name: str
    arguments: dict[str, Any]

    @property
    def changed(self) -> dict[str, Any]:
        """The properties that have new values, if this is PropertiesChanged."""
        changed: dict[str, Any] = self.arguments.get("changed_properties", {})
        return changed if self.interface == PROPERTIES else {}


class Client:
    """A connection to mmid; use it as an asynchronous context manager.

    Attributes:
        lost: how many signals were thrown away because nobody fetched them.
    """

    def __init__(self, bus: Bus, *, start: bool = True) -> None:
        self.lost = 0
        self._bus = bus
        self._flags = MessageFlag.NONE if start else MessageFlag.NO_AUTOSTART
        self._contract: Contract = load()
        self._owner = ""
        self._queue: asyncio.Queue[Received | BusFailed] = asyncio.Queue(_SIGNALS_KEPT)
        self._ending: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    @classmethod
    async def connect(cls, where: str = "system", *, start: bool = True) -> "Client":
        """Connect to a bus; whether mmid is there is seen at the first call.

        Args:
            where: ``system``, ``session`` or a D-Bus address.
            start: whether a call may start mmid if it does not run; not so for
                whoever only looks.

        Raises:
            BusFailed: the bus is not there or does not let us in.
        """
        return cls(await Bus.connect(where), start=start)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave the bus."""
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        await self._bus.close()
        if self._ending is not None:
            await self._ending

    @property
    def unique_name(self) -> str:
        """Our name on the bus, as the property Talker shows it."""
        return self._bus.unique_name

    async def call(
        self,
        interface: str,
        member: str,
        signature: str = "",
        *arguments: Any,
        descriptors: Sequence[int] = (),
    ) -> list[Any]:
        """Call a method of mmid and return what it returned; arguments as of ``Bus.call``.

        Raises:
            CallFailed: mmid, or the bus in its place, answered with an error.
            BusFailed: the bus is lost.
        """
        values = await self._bus.call(
            *(NAME, PATH, interface, member, signature, *arguments),
            descriptors=descriptors,
            flags=self._flags,
        )
        return [plain(value) for value in values]

    async def get(self, interface: str, name: str) -> Any:
        """Return the value of a property."""
        return (await self.call(PROPERTIES, "Get", "ss", interface, name))[0]

    async def get_all(self, interface: str) -> dict[str, Any]:
        """Return the properties of an interface."""
        values: dict[str, Any] = (await self.call(PROPERTIES, "GetAll", "s", interface))[0]
        return values

    async def set(self, interface: str, name: str, value: Any) -> None:
        """Set a property."""
        kind = self._contract.interfaces[interface].properties[name].type
        await self.call(PROPERTIES, "Set", "ssv", interface, name, Variant(kind, value))

    async def description_of(self, client: str) -> str:
        """Return another client of the bus for people, such as ``:1.7 (ptt, process 812)``."""
        return await description_of(self._bus, client)

    async def listen(self) -> None:
        """Ask for mmid's signals; what is sent from now on comes out of ``signals``.

        Raises:
            CallFailed: mmid is not running, or signals are not allowed to us.
        """
        self._bus.admit = self._admit
        self._bus.on_signal = self._hear
        for rule in (
            f"type='signal',sender='{NAME}',path='{PATH}'",
            f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{NAME}'",
        ):
            await self._bus.ask_bus("AddMatch", "s", rule)
        await self.call(PEER, "Ping")  # starts mmid where it may
        self._owner = await self._bus.ask_bus("GetNameOwner", "s", NAME)
        self._ending = asyncio.create_task(self._end(), name="dbus-client-end")

    async def signals(self) -> AsyncIterator[Received]:
        """Yield the signals as they come, after ``listen``.

        Raises:
            BusFailed: the bus or mmid has gone; nothing comes any more.
        """
        while True:
            item = await self._queue.get()
            if isinstance(item, BusFailed):
                raise item
            yield item

    def answer_calls(self, path: str, answer: Callable[[str, str], Awaitable[str]]) -> None:
        """Be a tool of the model, after ``listen``: mmid's calls of an object are answered so.

        Args:
            path: the object.
            answer: returns the result for a tool's name and its arguments; a ``CallFailed`` of
                it is what mmid is answered.
        """

        def take(message: Message) -> None:
            close_descriptors(message.unix_fds)
            task = asyncio.create_task(self._answer(message, path, answer), name="dbus-tool")
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

        self._bus.on_call = take

    async def _answer(
        self, message: Message, path: str, answer: Callable[[str, str], Awaitable[str]]
    ) -> None:
        called = (message.path, message.interface, message.member, message.signature)
        try:
            if called != (path, TOOL, "Call", "ss"):
                raise standard("UnknownMethod", f"there is {TOOL}.Call of {path}, and no more")
            result = await answer(*message.body)
        except CallFailed as error:
            self._bus.send(Message.new_error(message, error.name, str(error)))
        else:
            self._bus.send(Message.new_method_return(message, "s", [result]))

    async def _end(self) -> None:
        try:
            await self._bus.wait_lost()
        except BusFailed as error:
            self._put(error)

    def _admit(self, message: Message, _: int) -> None:
        # Anybody may send anything to our unique name: only the bus and mmid are believed.
        if message.sender not in {DBUS, self._owner}:
            raise CallFailed(ACCESS_DENIED, "this client hears mmid only")

    def _hear(self, message: Message) -> None:
        if message.sender == DBUS:
            if message.member == "NameOwnerChanged" and self._owner:
                self._put(BusFailed("mmid has left the bus"))
            return
        declared = self._contract.interfaces.get(message.interface)
        signal = declared.signals.get(message.member) if declared else None
        if signal and message.signature == signal.signature:
            values = dict(zip(signal.arguments, plain(message.body), strict=True))
            self._put(Received(message.interface, signal.name, values))

    def _put(self, item: Received | BusFailed) -> None:
        if self._queue.full():
            self._queue.get_nowait()
            self.lost += 1
        self._queue.put_nowait(item)
