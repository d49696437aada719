#!/usr/bin/env python3
"""A thermometer that the cloud's model can read: it is asked how warm it is in here.

    ./thermometer.py /sys/class/thermal/thermal_zone0/temp

It registers the function "thermometer" on org.mmid1.Tools; mmid calls its method Call. When mmid
ends it ends too: let its unit have Restart=always and After=mmid.service.

Needs python3-dbus-next, and a user in the group mmid.
"""

import asyncio
import json
import sys
from pathlib import Path

from dbus_next import BusType, DBusError, Message, MessageType
from dbus_next.aio import MessageBus
from dbus_next.service import ServiceInterface, method

NAME, PATH, TOOLS = "org.mmid1", "/org/mmid1", "org.mmid1.Tools"
OBJECT = "/thermometer"


class Tool(ServiceInterface):
    """The interface that mmid calls."""

    def __init__(self, file: Path) -> None:
        super().__init__("org.mmid1.Tool")
        self._file = file

    @method()
    def Call(self, name: "s", arguments_json: "s") -> "s":  # noqa: ARG002, F821, N802 - D-Bus
        """Return the temperature; an error's text is told to the model."""
        try:
            thousandths = int(self._file.read_text())
        except (OSError, ValueError) as error:
            failed = "org.freedesktop.DBus.Error.Failed"
            raise DBusError(failed, "the sensor does not answer") from error
        return json.dumps({"celsius": round(thousandths / 1000, 1)})


async def serve(file: Path) -> int:
    """Be a tool until mmid leaves the bus."""
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    bus.export(OBJECT, Tool(file))
    gone = asyncio.Event()

    def hear(message: Message) -> None:
        if message.member == "NameOwnerChanged" and message.body[0] == NAME and not message.body[2]:
            gone.set()

    bus.add_message_handler(hear)
    rule = f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{NAME}'"
    await call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "AddMatch", "s", rule)
    description = "Tells how warm it is in the room, in degrees Celsius."
    await call(bus, TOOLS, PATH, "Register", "osss", OBJECT, "thermometer", description, "")
    print("the model may read the thermometer", flush=True)
    await gone.wait()
    return 0


async def call(bus: MessageBus, interface: str, path: str, member: str, kinds: str, *body: str):
    """Call a method; what mmid does not like is said in its own words."""
    destination = NAME if interface == TOOLS else interface
    message = Message(destination, path, interface, member, signature=kinds, body=list(body))
    reply = await bus.call(message)
    if reply.message_type is MessageType.ERROR:
        raise DBusError(reply.error_name, reply.body[0] if reply.body else "")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FILE")
    try:
        sys.exit(asyncio.run(serve(Path(sys.argv[1]))))
    except (DBusError, OSError) as error:
        sys.exit(str(error))
