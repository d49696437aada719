"""How a connection to a message bus begins: the socket, and who we are.

The bus reads our user from the socket itself (EXTERNAL), so no secret passes.
D-Bus specification, "Authentication Protocol".
"""

import asyncio
import os

from mmid.dbus.address import socket_names
from mmid.dbus.stream import Stream
from mmid.errors import BusFailed

__all__ = ["enter"]


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
