"""What a bus passes on of its clients, bent: reading it, and the service behind.

We are the bus, at the other end of the socket. It ends after the input, and the service must
end for that reason and no other.
"""

import asyncio
import os
import socket
import tempfile
from functools import cache
from random import Random
from typing import Any

from mmid.dbus.bus import Bus
from mmid.dbus.front import Front
from mmid.dbus.interface import AUDIO, DIALOG, NAME, PATH, PROPERTIES, load
from mmid.dbus.stream import Stream
from mmid.dbus.wire import Message, MessageType, Variant
from mmid.status import Status
from tests.dbus.frames import passed_on
from tests.dbus.private_bus import NotingApplication
from tests.fuzz.harness import mutated

TEXTS = ["", "x", "\0", "{", "[" * 900, "\x1b[31m", '{"a":1e999}', "d" * 70_000, "duplex", "é"]
VARIANTS = ["s", "u", "b", "d", "v", "as", "a{sv}", "t", "av", "(su)", "aaaaay"]
CONTRACT = load()


def text(dice: Random) -> str:
    return dice.choice(TEXTS)


def value(signature: str, dice: Random) -> Any:
    """Return something of a type."""
    return {
        "s": text(dice), "u": dice.choice([0, 50, 101, 0xFFFFFFFF]), "b": True, "d": 0.5,
        "v": Variant("s", text(dice)), "as": [text(dice)], "a{sv}": {"a": Variant("u", 1)}, "t": 1,
        "av": [Variant("s", "x")], "(su)": ["x", 1], "aaaaay": [[[[b"x"]]]], "h": 0, "o": "/a",
    }[signature]  # fmt: skip


def call(dice: Random) -> Message:
    """Make a call: of a member of ours, mostly, with what it takes, mostly."""
    interface = dice.choice([DIALOG, AUDIO, PROPERTIES, PROPERTIES])
    if interface == PROPERTIES:
        kind = dice.choice(VARIANTS)
        name = dice.choice(["WorkMode", "Voice", "Volume", "Muted", "State", "X"])
        body = [dice.choice([DIALOG, AUDIO, ""]), name, Variant(kind, value(kind, dice))]
        member, signature = dice.choice([("Set", "ssv"), ("Get", "ss"), ("GetAll", "s")])
        return _call(interface, member, signature, body[: len(signature)])
    methods = CONTRACT.interfaces[interface].methods
    member = dice.choice([*methods, "Nothing"])
    signature = dice.choice(["", "s", "ss", "ssh", "o", "u", "a{sv}"])
    if member in methods and dice.random() < 0.8:
        signature = methods[member].inputs
    kinds = ["a{sv}"] if signature == "a{sv}" else [*signature]
    return _call(interface, member, signature, [value(kind, dice) for kind in kinds])


def _call(interface: str, member: str, signature: str, body: list[Any]) -> Message:
    return Message(
        destination=NAME, path=PATH, interface=interface, member=member, signature=signature,
        body=body, message_type=MessageType.METHOD_CALL,
    )  # fmt: skip


def invent(dice: Random) -> bytes:
    """Make some messages."""
    data = b""
    for serial in range(1, dice.choice([2, 2, 5, 20])):
        one = passed_on(call(dice), serial, dice.choice([":1.7", ":1.8"]))
        data += mutated(one, dice) if dice.random() < 0.6 else one
    return data


@cache
def folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


async def take(data: bytes) -> None:
    """Pass it on."""
    path = f"{folder().name}/bus"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        stream = await Stream.open(path)
        bus, _ = listener.accept()
    os.unlink(path)  # noqa: PTH108 - of a folder of ours
    status = Status()
    service = Bus(stream)
    application = NotingApplication(status)
    front = application.front = Front(service, CONTRACT, status, application)
    with bus:
        bus.setblocking(False)
        answers = asyncio.create_task(_read(bus))
        await asyncio.get_running_loop().sock_sendall(bus, data)
        bus.shutdown(socket.SHUT_WR)
        try:
            await front.wait_lost()
        finally:
            await front.close()
            await answers


async def _read(bus: socket.socket) -> None:
    """Let nothing wait in the socket."""
    while await asyncio.get_running_loop().sock_recv(bus, 1 << 16):
        pass
