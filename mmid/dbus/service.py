"""The object ``/org/mmid1``: finds what a call asks for, and answers it.

It is driven by the contract: a call that does not fit gets a standard error
before any code of ours sees it. What the members do, it is told in tables. An
error of ours reaches the caller as ``org.mmid1.Error.*``; any other exception
stays here, in the journal, and the caller learns only that it happened.
"""

import asyncio
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmid.dbus.bus import Bus
from mmid.dbus.failures import ACCESS_DENIED, LIMITS_EXCEEDED, CallFailed, standard
from mmid.dbus.interface import (
    DBUS,
    ERRORS,
    INTROSPECTABLE,
    PATH,
    PEER,
    PROPERTIES,
    STANDARD_ERRORS,
    Contract,
    Method,
    Property,
)
from mmid.dbus.members import LONGEST_CALL, Handler
from mmid.dbus.stream import close_descriptors
from mmid.dbus.wire import Message, MessageType, Variant, pairs, variant, wants_answer
from mmid.errors import MmidError
from mmid.secrets import redact

# What is below the objects above ours.
_BELOW = {"/": "org", "/org": "mmid1"}

# Calls that wait for the outside world, such as Register; of all clients, and
# of one, so that no one of them can take all places.
_WAITING_LIMIT = 64
_WAITING_LIMIT_OF_ONE = 8

_MACHINE_ID_FILE = Path("/etc/machine-id")

# Each turn of a dialog goes through the same states, and to write their names and variants anew
# takes longer than all else that is to be done to tell them. Lists and tables cannot be looked up.
_same_pairs = lru_cache(maxsize=64)(pairs)

_log = logging.getLogger(__name__)


class Service:
    """Answers the calls that arrive on a bus.

    Args:
        bus: where they arrive.
        contract: what they must fit.
        methods: what each method of ours does, by its interface, given the caller's name and
            the arguments. A file descriptor is open until the method has ended. One that it
            returns, after an await, is closed when it was sent.
        setters: what setting each writable property does, given the value.
        read: finds the value of a property by its name.
    """

    def __init__(
        self,
        bus: Bus,
        contract: Contract,
        methods: Mapping[str, Mapping[str, Handler]],
        setters: Mapping[str, Handler],
        read: Callable[[str], Any],
    ) -> None:
        self._bus = bus
        self._contract = contract
        self._methods = methods
        self._setters = setters
        self._read = read
        self._waiting: dict[asyncio.Task[None], str | None] = {}
        # Each is made once and sent again: dbus-next looks at all its names when it is made.
        self._signals: dict[tuple[str, str], Message] = {}
        bus.admit = self._admit
        bus.on_call = self._take

    def emit(self, interface: str, signal: str, arguments: list[Any]) -> None:
        """Send a signal of the contract."""
        message = self._signals.get((interface, signal))
        if message is None:
            signature = self._contract.interfaces[interface].signals[signal].signature
            message = Message.new_signal(PATH, interface, signal, signature)
            self._signals[interface, signal] = message
        message.body = arguments
        self._bus.send(message)

    def announce(self, interface: str, changed: Mapping[str, Any]) -> None:
        """Tell that properties of an interface have new values."""
        properties = self._contract.interfaces[interface].properties
        values = tuple((name, properties[name].type, value) for name, value in changed.items())
        simple = all(len(kind) == 1 for _, kind, _ in values)
        told = (_same_pairs if simple else pairs)(values)
        self.emit(PROPERTIES, "PropertiesChanged", [interface, told, []])

    async def close(self) -> None:
        """Give up the calls that still wait."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    def _take(self, message: Message) -> None:
        try:
            method, result = self._carry_out(message)
            if inspect.isawaitable(result):
                self._await(message, method, result)
                return
            self._answer(message, method, result)
        except Exception as error:  # noqa: BLE001 - the caller is answered, the journal told why
            self._refuse(message, error)
        close_descriptors(message.unix_fds)

    def _await(self, message: Message, method: Method, result: Awaitable[Any]) -> None:
        """Answer when the result is there; the call's file descriptors stay open until then."""
        mine = sum(caller == message.sender for caller in self._waiting.values())
        if mine >= _WAITING_LIMIT_OF_ONE or len(self._waiting) >= _WAITING_LIMIT:
            if isinstance(result, asyncio.Future):
                result.cancel()
            elif inspect.iscoroutine(result):
                result.close()
            text = f"{mine or len(self._waiting)} calls are waiting already; try again later"
            raise CallFailed(LIMITS_EXCEEDED, text)
        task = asyncio.create_task(self._wait(message, method, result), name=f"dbus-{method.name}")
        self._waiting[task] = message.sender
        task.add_done_callback(self._waiting.pop)
        # Not in the task: one that is cancelled before it ran would not come to it.
        task.add_done_callback(lambda _: close_descriptors(message.unix_fds))

    async def _wait(self, message: Message, method: Method, result: Awaitable[Any]) -> None:
        try:
            answer = await result
            if method.outputs == "h":
                await self._pass_on(message, answer)
            else:
                self._answer(message, method, answer)
        except Exception as error:  # noqa: BLE001 - as in _take
            self._refuse(message, error)

    async def _pass_on(self, message: Message, descriptor: int) -> None:
        """Answer with a file descriptor, which is closed here: the caller gets a copy."""
        try:
            if wants_answer(message):
                reply = Message.new_method_return(message, "h", [0], [descriptor])
                await self._bus.send_with_descriptors(reply)
        finally:
            close_descriptors([descriptor])

    def _answer(self, message: Message, method: Method, result: Any) -> None:
        if wants_answer(message):
            body = [result] if method.outputs else []
            self._bus.send(Message.new_method_return(message, method.outputs, body))

    def _refuse(self, message: Message, error: Exception) -> None:
        name, text = _explain(message, error)
        if wants_answer(message):
            self._bus.send(Message.new_error(message, name, text))

    def _admit(self, message: Message, body_bytes: int) -> None:
        """Refuse a call that does not fit the contract, and signals but the bus's own."""
        if message.message_type is not MessageType.METHOD_CALL:
            if message.sender != DBUS:
                raise CallFailed(ACCESS_DENIED, "signals of others are not heard")
            return
        _, method = self._find(message)
        if message.signature != method.inputs:
            raise standard(
                "InvalidArgs",
                f"{method.name} takes the signature {method.inputs!r}, not {message.signature!r}",
            )
        if body_bytes > LONGEST_CALL:
            text = f"a call must not be longer than {LONGEST_CALL} bytes"
            raise CallFailed(LIMITS_EXCEEDED, text)

    def _carry_out(self, message: Message) -> tuple[Method, Any]:
        """Call the method, for which the call was admitted."""
        interface, method = self._find(message)
        if interface == PROPERTIES:
            return method, self._properties(message, *message.body)
        if interface == INTROSPECTABLE:
            below = _BELOW.get(message.path)
            text = f'<node><node name="{below}"/></node>\n' if below else self._contract.text
            return method, text
        if interface == PEER:
            return method, _peer(method.name)
        return method, self._methods[interface][method.name](message.sender, *_arguments(message))

    def _find(self, message: Message) -> tuple[str, Method]:
        """Return a method and its interface; a caller may leave the interface out."""
        self._check_path(message)
        if message.interface and message.interface not in self._contract.interfaces:
            raise standard("UnknownInterface", f"{PATH} has no interface {message.interface}")
        for interface in self._contract.interfaces.values():
            method = interface.methods.get(message.member)
            if method and message.interface in {None, "", interface.name}:
                return interface.name, method
        where = message.interface or PATH
        raise standard("UnknownMethod", f"{where} has no method {message.member}")

    def _check_path(self, message: Message) -> None:
        """Refuse other objects; those above ours can be browsed, and all be pinged."""
        browsed = message.path in _BELOW and message.interface == INTROSPECTABLE
        if message.path != PATH and message.interface != PEER and not browsed:
            text = f"there is no object {message.path[:255]}; it is {PATH}"
            raise standard("UnknownObject", text)

    def _properties(self, message: Message, interface: str, *rest: Any) -> Any:
        if message.member == "GetAll":
            found = self._candidates(interface)
            return {name: self._variant(declared) for name, declared in found.items()}
        declared = self._property(interface, rest[0])
        if message.member == "Get":
            return self._variant(declared)
        return self._set(declared, rest[1])

    def _set(self, declared: Property, value: Variant) -> None:
        if not declared.writable:
            raise standard("PropertyReadOnly", f"{declared.name} cannot be written")
        if value.signature != declared.type:
            raise standard(
                "InvalidArgs",
                f"{declared.name} has the type {declared.type!r}, not {value.signature!r}",
            )
        self._setters[declared.name](value.value)

    def _property(self, interface: str, name: str) -> Property:
        declared = self._candidates(interface).get(name)
        if declared is None:
            raise standard("UnknownProperty", f"{interface or PATH} has no property {name}")
        return declared

    def _candidates(self, interface: str) -> dict[str, Property]:
        """Return the properties of an interface; of all for the empty name."""
        if interface and interface not in self._contract.interfaces:
            raise standard("UnknownInterface", f"{PATH} has no interface {interface}")
        found: dict[str, Property] = {}
        for declared in self._contract.interfaces.values():
            if interface in {"", declared.name}:
                found |= declared.properties
        return found

    def _variant(self, declared: Property) -> Variant:
        return variant(declared.type, self._read(declared.name))


def _arguments(message: Message) -> list[Any]:
    """Return the arguments, with the file descriptors in the place of their indices."""
    arguments = list(message.body)
    for place, kind in enumerate(message.signature_tree.types):
        if kind.signature == "h":
            try:
                arguments[place] = message.unix_fds[arguments[place]]
            except IndexError:
                text = f"{message.member}: the file descriptor did not arrive"
                raise standard("InvalidArgs", text) from None
    return arguments


def _explain(message: Message, error: Exception) -> tuple[str, str]:
    """Return the D-Bus error for an exception, and log what the caller must not see."""
    if isinstance(error, CallFailed):
        return error.name, redact(str(error))
    if isinstance(error, MmidError):
        return ERRORS + error.facts.dbus_name, redact(str(error))
    _log.error("%s.%s failed: %r", message.interface, message.member, error, exc_info=error)
    return STANDARD_ERRORS + "Failed", "internal error; see the journal of mmid"


def _peer(method: str) -> str | None:
    if method == "Ping":
        return None
    try:
        machine_id = _MACHINE_ID_FILE.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise standard("Failed", f"{_MACHINE_ID_FILE} cannot be read: {error}") from error
    # Empty, or the word "uninitialized", in an image that was not started yet: machine-id(5).
    if not re.fullmatch("[0-9a-f]{32}", machine_id):
        raise standard("Failed", f"{_MACHINE_ID_FILE} holds no machine id")
    return machine_id
