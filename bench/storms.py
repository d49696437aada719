"""What badly behaved programs do on a message bus; each is a process of its own.

    python -m bench.storms NAME ADDRESS

It rages until it is killed, and says a line when it has begun. It speaks with
the bus by its bytes: a library of good manners would not let it.
"""

import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

from mmid.dbus import wire
from mmid.dbus.handshake import socket_names
from mmid.dbus.interface import AUDIO, DBUS, DIALOG, NAME, PATH, PROPERTIES, TOOLS
from mmid.dbus.stream import close_descriptors
from mmid.dbus.wire import Message, MessageFlag

BEGUN = "raging"

_LISTENERS = 200
_CALLS_PER_S = 5000
_TAPS = 4
_DBUS_PATH = "/org/freedesktop/DBus"

# A storm yields whenever it has done a bit: the first time, it has begun.
Storm = Callable[[str], Iterator[None]]


class RawClient:
    """A connection that keeps no rules but those it was made to keep."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(socket_names(address)[0])
        identity = str(os.geteuid()).encode().hex()
        self.send(f"\0AUTH EXTERNAL {identity}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n".encode())
        answers = b""
        while answers.count(b"\r\n") < 2:
            answers += self.socket.recv(4096)
        self.send(call(DBUS, _DBUS_PATH, DBUS, "Hello"))
        self.socket.recv(65536)

    def send(self, data: bytes) -> None:
        """Send bytes, whatever they are."""
        self.socket.sendall(data)

    def drain(self) -> None:
        """Throw away what came."""
        try:
            while self.socket.recv(65536, socket.MSG_DONTWAIT):
                pass
        except BlockingIOError:
            return


def call(
    destination: str,
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    *arguments: object,
    quiet: bool = False,
) -> bytes:
    """Return a method call's bytes; a quiet one wants no answer."""
    message = Message(
        destination=destination,
        path=path,
        interface=interface,
        member=member,
        signature=signature,
        body=list(arguments),
        flags=MessageFlag.NO_REPLY_EXPECTED if quiet else MessageFlag.NONE,
    )
    return wire.encode(message, 1)


def numbered(frame: bytes, serial: int) -> bytes:
    """Return a frame with another serial number."""
    return frame[:8] + struct.pack("<I", serial) + frame[12:]


def match(rule: str, member: str = "AddMatch") -> bytes:
    """Return the call that adds or removes a match rule."""
    return call(DBUS, _DBUS_PATH, DBUS, member, "s", rule, quiet=True)


def deaf(address: str) -> Iterator[None]:
    """Listen to everything and read nothing."""
    client = RawClient(address)
    client.send(match("type='signal'"))
    get_all = call(NAME, PATH, PROPERTIES, "GetAll", "s", "")
    client.send(b"".join(numbered(get_all, serial) for serial in range(2, 200)))
    while True:
        yield
        time.sleep(0.1)


def listeners(address: str) -> Iterator[None]:
    """Be 200 programs that listen."""
    clients = [RawClient(address) for _ in range(_LISTENERS)]
    for client in clients:
        client.send(match(f"type='signal',sender='{NAME}'"))
    while True:
        yield
        time.sleep(0.02)
        for client in clients:
            client.drain()


def calls(address: str) -> Iterator[None]:
    """Call 5,000 times a second and read the answers."""
    return _flood(address, call(NAME, PATH, PROPERTIES, "Get", "ss", DIALOG, "State"))


def blind_calls(address: str) -> Iterator[None]:
    """Call 5,000 times a second and want no answer, so that nothing slows the caller."""
    return _flood(address, call(NAME, PATH, DIALOG, "StopSpeech", quiet=True))


def _flood(address: str, frame: bytes) -> Iterator[None]:
    """Send a call at the rate of the storm."""
    client = RawClient(address)
    serial, started = 1, time.monotonic()
    while True:
        yield
        due = int((time.monotonic() - started) * _CALLS_PER_S)
        client.send(b"".join(numbered(frame, number) for number in range(serial + 1, due + 2)))
        serial = max(serial, due + 1)
        client.drain()
        time.sleep(0.005)


def malformed(address: str) -> Iterator[None]:
    """Send calls that do not fit, calls of 3 MiB, and bytes that are no message."""
    misfit = call(NAME, PATH, DIALOG, "Ask", "u", 1)
    huge = call(NAME, PATH, DIALOG, "Ask", "s", "x" * (3 * 1024 * 1024))
    client = RawClient(address)
    serial = 2
    while True:
        client.send(b"".join(numbered(misfit, serial + number) for number in range(100)))
        client.send(numbered(huge, serial + 100))
        serial += 101
        garbage = RawClient(address)
        garbage.send(os.urandom(1000))
        garbage.socket.close()
        client.drain()
        yield
        time.sleep(0.02)


def matches(address: str) -> Iterator[None]:
    """Add and remove match rules without a pause."""
    client = RawClient(address)
    rules = [f"type='signal',sender='{NAME}',arg0='{number}'" for number in range(100)]
    batch = b"".join(match(rule) for rule in rules)
    batch += b"".join(match(rule, "RemoveMatch") for rule in rules)
    while True:
        yield
        client.send(batch)
        client.drain()


def tools(address: str) -> Iterator[None]:
    """Become 32 tools of the model and leave again, without a pause, and be called by ourselves."""
    client = RawClient(address)
    names = [f"storm_{number}" for number in range(32)]
    register = [call(NAME, PATH, TOOLS, "Register", "osss", "/storm", one, "", "") for one in names]
    leave = [call(NAME, PATH, TOOLS, "Unregister", "s", one) for one in names]
    tries = [call(NAME, PATH, TOOLS, "Call", "ss", one, "{}") for one in names]
    serial = 2
    while True:
        for frame in (*register, *tries, *leave):
            client.send(numbered(frame, serial))
            serial += 1
        client.drain()  # a call of ours is not answered: each takes its 10 s
        yield
        time.sleep(0.02)


def taps(address: str) -> Iterator[None]:
    """Have four taps on the microphone: never read one, read, close and open the others at once."""
    client = RawClient(address)
    open_tap = call(NAME, PATH, AUDIO, "OpenMicrophone")
    serial = 2
    opened: list[int] = []
    while True:
        # mmid sees at the next period that a pipe was closed; until then it answers Busy.
        while len(opened) < _TAPS:
            client.send(numbered(open_tap, serial))
            serial += 1
            opened += socket.recv_fds(client.socket, 65536, _TAPS)[1]
            time.sleep(0.005)  # calling faster, it would be refused for the rest of the second
        yield
        for reader in opened[1:]:
            os.read(reader, 65536)
        close_descriptors(opened[1:])
        del opened[1:]


def busy(_: str) -> Iterator[None]:
    """Keep a processor busy and leave the bus alone: so much of a storm is mere load."""
    while True:
        yield


def hold(address: str) -> Iterator[None]:
    """Take the microphone and keep it: who is killed then has left without a word."""
    client = RawClient(address)
    client.send(call(NAME, PATH, DIALOG, "StartSpeech", quiet=True))
    while True:
        yield
        time.sleep(0.1)


STORMS: dict[str, Storm] = {
    "busy": busy,
    "deaf": deaf,
    "listeners": listeners,
    "calls": calls,
    "blind-calls": blind_calls,
    "malformed": malformed,
    "matches": matches,
    "tools": tools,
    "taps": taps,
}


def main() -> None:
    """Be a storm until we are killed."""
    _, name, address = sys.argv
    storm = {**STORMS, "hold": hold}[name]
    for count, _ in enumerate(storm(address)):
        if count == 0:
            print(BEGUN, flush=True)


if __name__ == "__main__":
    main()
