"""One connection to a message bus, with a limit on everything.

It knows messages, not what they mean: calls that arrive go to ``on_call``,
signals to ``on_signal``; both are called in the loop and must return at once.
Used by the service (``Front``) and by ``Client``. When the connection is lost
it stays lost: the daemon exits and systemd starts it again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from typing import Any

from mmid.dbus import wire
from mmid.dbus.failures import ACCESS_DENIED, NO_REPLY, CallFailed
from mmid.dbus.handshake import enter
from mmid.dbus.incoming import Incoming, Refused
from mmid.dbus.interface import DBUS, DBUS_PATH, STANDARD_ERRORS
from mmid.dbus.stream import Stream, close_descriptors
from mmid.dbus.wire import Message, MessageFlag, MessageType, Undecodable
from mmid.errors import BusFailed

# A bus on the same machine answers in milliseconds, or is broken.
_CONNECT_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 1.0
# libdbus and sd-bus wait as long for a reply.
_CALL_TIMEOUT_S = 25.0

# Bytes that may wait while the bus does not read. Signals are dropped first, so
# that replies still have room; calls of our own are few and have no limit.
_WAITING_LIMITS = {
    MessageType.SIGNAL: 1024 * 1024,
    MessageType.METHOD_RETURN: 2 * 1024 * 1024,
    MessageType.ERROR: 2 * 1024 * 1024,
}

# Messages that may be refused between two turns of the loop: each costs next to nothing.
_REFUSED_AT_ONCE = 16

_DO_NOT_QUEUE = 4
_NAME_IS_OURS = {1, 4}  # primary owner, already owner

_log = logging.getLogger(__name__)


class Bus:
    """A connection; ``await Bus.connect(...)`` makes one.

    Attributes:
        unique_name: our name on the bus, such as ``:1.7``.
        dropped: how many messages were not sent because the bus did not read.
        ignored: how many messages came that nobody can read.
        admit: refuses with a ``CallFailed`` calls and signals that need not be read further,
            given the message without its body and that one's length.
        on_call: what takes the method calls that arrive, and closes the file
            descriptors in their ``unix_fds``; without it they are refused.
        on_signal: what takes the signals that arrive.
    """

    def __init__(self, stream: Stream) -> None:
        self.unique_name = ""
        self.dropped = 0
        self.ignored = 0
        self.admit: Callable[[Message, int], None] = lambda *_: None
        self.on_call: Callable[[Message], None] = self._refuse
        self.on_signal: Callable[[Message], None] = lambda _: None
        self._stream = stream
        self._serial = 0
        # Replies that are waited for, by the serial number of the call.
        self._awaited: dict[int, asyncio.Future[Message]] = {}
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(), name="dbus-reader")

    @classmethod
    async def connect(cls, where: str) -> "Bus":
        """Connect to a bus and say hello.

        Args:
            where: ``system``, ``session``, or a D-Bus address.

        Raises:
            BusFailed: no bus is there, or it does not let us in.
        """
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                return await cls._hello(await enter(where))
        except TimeoutError as error:
            raise BusFailed(
                f"the bus {where!r} did not answer within {_CONNECT_TIMEOUT_S:g} s"
            ) from error
        except CallFailed as error:
            raise BusFailed(f"the bus {where!r} does not let us in: {error}") from error

    @classmethod
    async def _hello(cls, stream: Stream) -> "Bus":
        bus = cls(stream)
        try:
            bus.unique_name = await bus.ask_bus("Hello", "")
        except BaseException:
            await bus.close()
            raise
        return bus

    async def close(self) -> None:
        """Send what still waits, and disconnect. Safe to call again."""
        self._finish(None)
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._stream.wait_closed(_CLOSE_TIMEOUT_S)

    async def wait_lost(self) -> None:
        """Wait until the connection ends; return if we closed it.

        Raises:
            BusFailed: the bus ended it.
        """
        await asyncio.shield(self._lost)

    def send(self, message: Message) -> int:
        """Send a message, or drop and count it if too much waits already.

        Returns:
            Its serial number; 0 if it was not sent.
        """
        if self._lost.done():
            return 0
        unsent = self._stream.unsent_bytes
        if unsent and unsent > _WAITING_LIMITS.get(message.message_type, inf):
            self._drop()
            return 0
        self._stream.write(self._encoded(message))
        return message.serial

    async def send_with_descriptors(self, message: Message) -> None:
        """Send a message with copies of its file descriptors, once nothing else waits."""
        if not self._lost.done():
            await self._pass(self._encoded(message), message.unix_fds)

    async def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *arguments: Any,
        descriptors: Sequence[int] = (),
        flags: MessageFlag = MessageFlag.NONE,
    ) -> list[Any]:
        """Call a method and return what it returned.

        ``descriptors`` are file descriptors to send copies of; an argument of
        the type ``h`` is the index of one of them. ``flags`` go with the call.

        Raises:
            CallFailed: the answer is an error, or there is none in time.
            BusFailed: the bus is lost.
        """
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(arguments),
            unix_fds=list(descriptors),
            flags=flags,
        )
        if self._lost.done():
            raise BusFailed(f"{member} cannot be called: the bus is lost")
        try:
            reply = await self._exchange(message)
        except TimeoutError as error:
            text = f"{destination} did not answer {member} within {_CALL_TIMEOUT_S:g} s"
            raise CallFailed(NO_REPLY, text) from error
        if reply.message_type is MessageType.ERROR:
            raise CallFailed(reply.error_name, str(reply.body[0]) if reply.body else "")
        return reply.body

    async def ask_bus(self, member: str, signature: str, *arguments: Any) -> Any:
        """Call a method of the bus itself that returns one value, or none."""
        values = await self.call(DBUS, DBUS_PATH, DBUS, member, signature, *arguments)
        return values[0] if values else None

    def tell_bus(self, member: str, text: str) -> None:
        """Call a method of the bus itself without waiting; calls are kept in order."""
        self.send(
            Message(
                destination=DBUS,
                path=DBUS_PATH,
                interface=DBUS,
                member=member,
                flags=MessageFlag.NO_REPLY_EXPECTED,
                signature="s",
                body=[text],
            )
        )

    async def own_name(self, name: str) -> None:
        """Become the owner of a name.

        Raises:
            BusFailed: somebody has it already, or we may not have it.
        """
        try:
            answer = await self.ask_bus("RequestName", "su", name, _DO_NOT_QUEUE)
        except CallFailed as error:
            raise BusFailed(f"the bus does not let us own {name}: {error}") from error
        if answer not in _NAME_IS_OURS:
            raise BusFailed(f"{name} is taken on this bus: another mmid is running already")

    def _encoded(self, message: Message) -> bytes:
        self._serial = self._serial % 0xFFFFFFFF + 1
        return wire.encode(message, self._serial)

    async def _pass(self, data: bytes, descriptors: Sequence[int]) -> None:
        with suppress(ConnectionError):  # the reader sees it too, and says so
            await self._stream.write_with_descriptors(data, descriptors)

    async def _exchange(self, message: Message) -> Message:
        """Send a call and wait for its reply."""
        data = self._encoded(message)
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._awaited[message.serial] = reply
        try:
            async with asyncio.timeout(_CALL_TIMEOUT_S):
                if message.unix_fds:
                    await self._pass(data, message.unix_fds)
                else:
                    self._stream.write(data)
                return await reply
        finally:
            del self._awaited[message.serial]

    async def _read(self) -> None:
        error: Exception
        incoming = Incoming(self._stream, self._admit)
        try:
            while True:
                for _ in range(_REFUSED_AT_ONCE):
                    message = await self._next(incoming)
                    if message is not None:
                        self._take(message)
                        break
                # A flood of calls must not keep the loop from the sound card.
                await asyncio.sleep(0)
        except (EOFError, OSError) as caught:
            error = caught
        except Exception as caught:  # noqa: BLE001 - no reader may end unnoticed
            # A handler broke its promise to raise nothing: say so, and end.
            _log.exception("the D-Bus reader failed")
            error = caught
        self._finish(BusFailed(f"the connection to the message bus was lost: {error!r}"))

    async def _next(self, incoming: Incoming) -> Message | None:
        """Read one message; None if it is not taken."""
        try:
            return await incoming.next_message()
        except Undecodable as error:
            if not self.ignored:  # whoever sends one can send many
                _log.warning("a D-Bus message was ignored, as any more will be: %s", error)
            self.ignored += 1
        except Refused as refused:
            self._answer_refused(refused.message, refused.error)
        return None

    def _answer_refused(self, message: Message, error: CallFailed) -> None:
        """Tell whoever waits: the caller, or of a reply that cannot be read, we ourselves."""
        if wire.wants_answer(message):
            self.send(Message.new_error(message, error.name, str(error)))
        elif message.message_type in {MessageType.METHOD_RETURN, MessageType.ERROR}:
            reply = self._awaited.get(message.reply_serial)
            if reply is not None and not reply.done():
                reply.set_exception(error)

    def _admit(self, message: Message, body_bytes: int) -> None:
        """Refuse what nobody asked for before it is read."""
        if message.message_type in {MessageType.METHOD_CALL, MessageType.SIGNAL}:
            self.admit(message, body_bytes)
        elif message.reply_serial not in self._awaited:
            raise CallFailed(ACCESS_DENIED, "a reply to no call")

    def _take(self, message: Message) -> None:
        if message.message_type is MessageType.METHOD_CALL:
            self.on_call(message)
            return
        # Nothing that we ask for comes with descriptors; some buses add one of their own.
        close_descriptors(message.unix_fds)
        if message.message_type is MessageType.SIGNAL:
            self.on_signal(message)
        else:
            self._take_reply(message)

    def _take_reply(self, message: Message) -> None:
        """Hand a reply to whoever waits for it; one that comes too late, or twice, to nobody."""
        reply = self._awaited.get(message.reply_serial)
        if reply is not None and not reply.done():
            reply.set_result(message)

    def _refuse(self, message: Message) -> None:
        close_descriptors(message.unix_fds)
        text = f"{self.unique_name} offers no methods"
        self.send(Message.new_error(message, STANDARD_ERRORS + "UnknownMethod", text))

    def _drop(self) -> None:
        if not self.dropped:
            _log.error("the message bus does not read; what is sent is being dropped")
        self.dropped += 1

    def _finish(self, error: BusFailed | None) -> None:
        if self._lost.done():
            return
        for reply in self._awaited.values():
            if not reply.done():
                reply.set_exception(error or BusFailed("the connection was closed"))
        if error is None:
            self._lost.set_result(None)
        else:
            self._lost.set_exception(error)
            self._lost.exception()  # nobody has to wait for it
        self._stream.close()
