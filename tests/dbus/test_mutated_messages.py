"""Messages that were bent anywhere: each is read, refused or answered, and nothing worse.

``python -m pytest --hypothesis-profile=search --timeout=0`` on this file looks further.
"""

from contextlib import suppress
from random import Random
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from mmid.dbus import members, wire
from mmid.dbus.bus import Bus
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import AUDIO, DBUS, DBUS_PATH, DIALOG, PATH, PROPERTIES, load, snake_case
from mmid.dbus.service import Service
from mmid.dbus.wire import HEAD_BYTES, Message, MessageType, Undecodable, Variant
from mmid.status import Status
from tests.dbus.private_bus import NotingApplication

CALLER = ":1.7"


def call(interface: str, member: str, signature: str = "", *body: object) -> Message:
    text = {"signature": signature, "body": list(body)}
    return Message(
        path=PATH, interface=interface, member=member, sender=CALLER, **cast("Any", text)
    )


MESSAGES = [
    wire.encode(message, 9)
    for message in (
        call(DIALOG, "Interrupt"),
        call(DIALOG, "Say", "s", "你好"),
        call(DIALOG, "UpdateInfo", "ss", '{"a": 1}', ""),
        call(PROPERTIES, "Set", "ssv", AUDIO, "Volume", Variant("u", 5)),
        call(PROPERTIES, "GetAll", "s", ""),
        Message.new_signal(DBUS_PATH, DBUS, "NameOwnerChanged", "sss", [CALLER, CALLER, ""]),
        Message(
            message_type=MessageType.METHOD_RETURN,
            reply_serial=3,
            signature="a{sv}",
            body=[{"a": Variant("as", ["x"])}],
        ),
    )
]


class Outlet:
    """Takes the answers in the place of a bus: each must be a message."""

    def send(self, message: Message) -> None:
        assert message.destination == CALLER
        assert "internal error" not in str(message.body)
        wire.read_header(wire.encode(message, 1))


def made_service() -> Service:
    status = Status()
    application = NotingApplication(status)

    async def nobody(*_: str) -> Any:
        raise AssertionError("none of these calls asks who calls")

    def read(name: str) -> Any:
        return 0 if name == "Level" else getattr(status, snake_case(name))

    methods = members.methods(application, nobody, nobody)
    bus = cast("Bus", Outlet())
    return Service(bus, load(), methods, members.setters(application), read)


def bent(frame: bytes, random: Random) -> bytes:
    """Return a message with some of its bytes changed, repeated, moved or cut off."""
    for _ in range(random.randint(0, 6)):
        place, other = random.randrange(HEAD_BYTES), random.randrange(len(frame))
        place = random.choice([place, other, other])
        piece = random.choice(
            [random.randbytes(1), frame[place : place + 1] * random.randint(0, 9), frame[other:]]
        )
        frame = frame[:place] + piece + frame[place + random.randint(0, 4) :]
    return frame.ljust(HEAD_BYTES, b"\0")


def test_the_messages_are_understood_as_they_are() -> None:
    taken = []
    for frame in MESSAGES:
        body_at = HEAD_BYTES + wire.header_bytes(frame)
        message = wire.read_header(frame[:body_at])
        wire.read_body(message, frame[:body_at], frame[body_at:])
        taken.append(message.member)
    assert taken[:3] == ["Interrupt", "Say", "UpdateInfo"]


@given(seed=st.integers(0, 2**64))
def test_bent_messages_end_nothing(seed: int) -> None:
    random, service = Random(seed), made_service()  # noqa: S311 - no secret
    for which in MESSAGES * 10:
        frame = bent(which, random)
        body_at = HEAD_BYTES + wire.header_bytes(frame)
        head, body = frame[:body_at], frame[body_at:]
        with suppress(Undecodable, CallFailed):
            message = wire.read_header(head)
            service._admit(message, len(body))
            wire.read_body(message, head, body)
            if message.message_type is MessageType.METHOD_CALL and message.sender == CALLER:
                service._take(message)
