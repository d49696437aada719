"""How a connection to a message bus begins: where the bus is, the socket, and who we are.

Only ``unix:`` transports: D-Bus over TCP has no encryption and no proof of who
calls, and what people say would travel on it. The bus reads our user from the
socket itself (EXTERNAL), so no secret passes. D-Bus specification,
"Authentication Protocol".
"""

import asyncio
import os
from collections.abc import Mapping
from urllib.parse import unquote

from mmid.dbus.stream import Stream
from mmid.errors import BusFailed

_SYSTEM = "unix:path=/run/dbus/system_bus_socket"


async def enter(where: str) -> Stream:
    """Connect to a bus and prove who we are; what follows are messages.

    Args:
        where: ``system``, ``session``, or a D-Bus address.

    Raises:
        BusFailed: nothing answers there, or it does not know us.
    """
    stream = await _open(where)
    try:
        await _authenticate(stream)
    except BaseException:
        stream.close()
        raise
    return stream


async def _open(where: str) -> Stream:
    """Connect to the first of the address's sockets that answers."""
    problem: OSError | None = None
    for name in socket_names(where):
        try:
            return await Stream.open(name)
        except OSError as error:
            problem = error
    raise BusFailed(f"no message bus answers at {where!r}: {problem}") from problem


async def _authenticate(stream: Stream) -> None:
    """Say who we are, and read whether the bus agrees; ask for file descriptors."""
    identity = str(os.geteuid()).encode().hex()
    answer = await _ask(stream, f"\0AUTH EXTERNAL {identity}")
    if not answer.startswith(b"OK "):
        raise BusFailed(f"the bus refused user {os.geteuid()}: {answer[:200]!r}")
    # A bus that cannot pass descriptors says ERROR, and everything else works.
    await _ask(stream, "NEGOTIATE_UNIX_FD")
    stream.write(b"BEGIN\r\n")


async def _ask(stream: Stream, line: str) -> bytes:
    stream.write(f"{line}\r\n".encode())
    try:
        return await stream.read_line()
    except (EOFError, OSError, asyncio.LimitOverrunError) as error:
        raise BusFailed(f"the bus ended the handshake: {error!r}") from error


def socket_names(where: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the socket names to try, in order.

    Args:
        where: ``system``, ``session``, or a D-Bus address.
        environment: where the D-Bus specification's own variables are looked
            up; by default the process's.

    Raises:
        BusFailed: the address has no meaning here.
    """
    address = _address(where, os.environ if environment is None else environment)
    parts = [part for part in address.split(";") if part]
    return [_socket_name(part) for part in parts or [address]]


def _address(where: str, environment: Mapping[str, str]) -> str:
    if where == "system":
        return environment.get("DBUS_SYSTEM_BUS_ADDRESS") or _SYSTEM
    if where == "session":
        address = environment.get("DBUS_SESSION_BUS_ADDRESS")
        runtime = environment.get("XDG_RUNTIME_DIR")
        if not address and runtime:
            address = f"unix:path={runtime}/bus"
        if not address:
            raise BusFailed(
                "there is no session bus: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR "
                "is set; name a bus by its address, such as unix:path=/run/x"
            )
        return address
    return where


def _socket_name(address: str) -> str:
    """Return the path of a unix socket, or its abstract name after a NUL."""
    transport, _, options = address.partition(":")
    if transport == "unix":
        for option in options.split(","):
            key, _, value = option.partition("=")
            if key in {"path", "abstract"} and value:
                return ("\0" if key == "abstract" else "") + unquote(value)
    raise BusFailed(
        f"bus address {address!r} is not one that mmid can use; "
        "it must be unix:path=... or unix:abstract=..."
    )
