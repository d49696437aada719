"""The D-Bus front of mmid: ``org.mmid1`` on one side, the application on the other.

It translates and decides nothing: calls become commands, fields of ``Status``
become properties, events become signals. It watches the client that holds the
microphone and those that are tools of the model, and tells the application when one
leaves the bus.
"""

import logging
from collections.abc import Mapping
from typing import Any

from mmid.dbus import members
from mmid.dbus.application import Application
from mmid.dbus.bus import Bus
from mmid.dbus.credentials import credentials_of, description_of
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import DIALOG, NAME, TOOL, Contract, load, snake_case
from mmid.dbus.service import Service
from mmid.dbus.watch import ClientWatch
from mmid.errors import BusFailed, MmidError, ToolFailed
from mmid.events import Event
from mmid.secrets import redact
from mmid.status import Status

__all__ = ["Application", "Front"]

_log = logging.getLogger(__name__)

# What a program says of its failure is read by the model, and by a person.
_LONGEST_EXCUSE = 300


class Front:
    """The service on one bus; ``await Front.open(...)`` starts it.

    Args:
        bus: a connection that nobody else uses.
        contract: the members of the service.
        status: the values of the properties.
        application: what carries out the commands.
    """

    def __init__(
        self, bus: Bus, contract: Contract, status: Status, application: Application
    ) -> None:
        self._bus = bus
        self._status = status
        self._application = application
        self._announced = _announced(contract)
        self._signals = contract.interfaces[DIALOG].signals
        self._service = Service(
            bus,
            contract,
            methods=members.methods(application, self._user_of, self._holder),
            setters=members.setters(application),
            read=self._read,
        )
        self._watch = ClientWatch(bus, self._client_left)

    @classmethod
    async def open(cls, where: str, status: Status, application: Application) -> "Front":
        """Connect to a bus, offer the service, and own its name.

        Args:
            where: ``system``, ``session``, or a D-Bus address.
            status: the values of the properties.
            application: what carries out the commands.

        Raises:
            BusFailed: the bus is not there, or the name is taken or not allowed.
        """
        bus = await Bus.connect(where)
        front = cls(bus, load(), status, application)
        try:
            await bus.own_name(NAME)
        except BaseException:
            await front.close()
            raise
        # Signals only from here on: the policy forbids other users to receive those of the
        # name's owner. What we sent before we own it, the bus would show to everybody.
        status.observe(front._status_changed)
        return front

    async def wait_lost(self) -> None:
        """Wait until the bus ends; return if ``close`` was called.

        Raises:
            BusFailed: the bus ended by itself. Exit: systemd starts both again.
        """
        await self._bus.wait_lost()

    async def close(self) -> None:
        """Send what waits, give up calls that wait for an answer, and leave the bus."""
        await self._service.close()
        await self._watch.close()
        await self._bus.close()

    def emit(self, event: Event) -> None:
        """Send the signal of an event."""
        name = type(event).__name__
        arguments = self._signals[name].arguments
        self._service.emit(DIALOG, name, [redact(getattr(event, one)) for one in arguments])

    async def call_tool(self, owner: str, path: str, name: str, arguments: str) -> str:
        """Call a program that is a tool of the model, and return what it answers.

        Raises:
            ToolFailed: it answered with an error, with something else, or it is gone.
        """
        try:
            answer = await self._bus.call(owner, path, TOOL, "Call", "ss", name, arguments)
        except (CallFailed, BusFailed) as error:
            said = redact(" ".join(str(error).split()))[:_LONGEST_EXCUSE]
            raise ToolFailed(f"the tool {name}: {said}") from error
        if len(answer) != 1 or not isinstance(answer[0], str):
            raise ToolFailed(f"the tool {name}: its Call must return one text")
        return answer[0]

    def _read(self, name: str) -> Any:
        if name == "Level":  # the only one that is worked out when it is read
            return self._application.level()
        return getattr(self._status, snake_case(name))

    def _status_changed(self, changed: Mapping[str, Any]) -> None:
        for interface, names in self._announced.items():
            values = {names[field]: value for field, value in changed.items() if field in names}
            if values:
                self._service.announce(interface, values)
        if "talker" in changed:
            self._watch.watch("talker", filter(None, [changed["talker"]]))
        if "listeners" in changed:
            self._watch.watch("taps", changed["listeners"])
        if "names" in changed:
            self._watch.watch("tools", self._application.tool_owners())

    def _client_left(self, client: str) -> None:
        try:
            self._application.client_left(client)
        except MmidError as error:
            _log.warning("%s has left: %r", client, error)

    async def _user_of(self, client: str) -> int:
        user, _ = await credentials_of(self._bus, client)
        return user

    async def _holder(self) -> str:
        talker = self._status.talker
        return await description_of(self._bus, talker) if talker else ""


def _announced(contract: Contract) -> dict[str, dict[str, str]]:
    """Return for each interface the fields of ``Status`` and their properties' names."""
    return {
        interface.name: {
            snake_case(declared.name): declared.name
            for declared in interface.properties.values()
            if declared.announced
        }
        for interface in contract.interfaces.values()
    }
