"""How a connection to a message bus begins: the socket, and who we are.

The bus reads our user from the socket itself (EXTERNAL), so no secret passes.
"""

import asyncio
import os

from mmid.dbus.address import socket_names
from mmid.errors import BusFailed

__all__ = ["enter"]

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def enter(where: str) -> Streams:
    """Connect to a bus and prove who we are; what follows are messages.

    Args:
        where: ``system``, ``session``, or a D-Bus address.

    Raises:
        BusFailed: nothing answers there, or it does not know us.
    """
    reader, writer = await _open(where)
    try:
        await _authenticate(reader, writer)
    except BaseException:
        writer.close()
        raise
    return reader, writer


async def _open(where: str) -> Streams:
    """Connect to the first of the address's sockets that answers."""
    problem: OSError | None = None
    for name in socket_names(where):
        try:
            return await asyncio.open_unix_connection(name)
        except OSError as error:
            problem = error
    raise BusFailed(f"no message bus answers at {where!r}: {problem}") from problem


async def _authenticate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say who we are, and read whether the bus agrees."""
    identity = str(os.geteuid()).encode().hex()
    writer.write(f"\0AUTH EXTERNAL {identity}\r\n".encode())
    try:
        answer = await reader.readuntil(b"\r\n")
    except (EOFError, OSError, asyncio.LimitOverrunError) as error:
        raise BusFailed(f"the bus ended the handshake: {error!r}") from error
    if not answer.startswith(b"OK "):
        raise BusFailed(f"the bus refused user {os.geteuid()}: {answer[:200]!r}")
    writer.write(b"BEGIN\r\n")
