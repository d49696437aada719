"""Messages as the bus passes them on: with the name of who sent them."""

from dbus_next._private.constants import PROTOCOL_VERSION, HeaderField
from dbus_next._private.marshaller import Marshaller

from mmid.dbus import wire
from mmid.dbus.wire import Message, Variant


def passed_on(message: Message, serial: int, sender: str) -> bytes:
    """Return a message's bytes; dbus-next itself never writes the sender."""
    frame = wire.encode(message, serial)
    body = frame[len(frame) - wire.body_bytes(frame) :]
    texts = {**wire.texts(frame), wire.SENDER: sender}
    fields = [[code, Variant("o" if code == 1 else "s", text)] for code, text in texts.items()]
    if message.signature:
        fields.append([HeaderField.SIGNATURE.value, Variant("g", message.signature)])
    if message.unix_fds:
        fields.append([HeaderField.UNIX_FDS.value, Variant("u", len(message.unix_fds))])
    head = [frame[0], frame[1], frame[2], PROTOCOL_VERSION, len(body), serial, fields]
    header = Marshaller("yyyyuua(yv)", head)  # type: ignore[no-untyped-call]
    header.marshall()  # type: ignore[no-untyped-call]
    header.align(8)  # type: ignore[no-untyped-call]
    return bytes(header.buffer) + body
