"""Who is behind a unique name of the bus, as the bus saw it when the client connected."""

from pathlib import Path

from mmid.dbus.bus import Bus
from mmid.dbus.failures import CallFailed
from mmid.dbus.wire import plain
from mmid.errors import BusFailed
from mmid.frozen import frozen

__all__ = ["Credentials", "credentials_of", "description_of"]


@frozen
class Credentials:
    """The Unix user and process of a client; -1 and 0 where the bus does not know."""

    user: int
    process: int


async def credentials_of(bus: Bus, client: str) -> Credentials:
    """Ask the bus who a client is.

    Raises:
        CallFailed: the client has left.
        BusFailed: the bus is lost.
    """
    told = plain(await bus.ask_bus("GetConnectionCredentials", "s", client))
    return Credentials(told.get("UnixUserID", -1), told.get("ProcessID", 0))


async def description_of(bus: Bus, client: str) -> str:
    """Return a client for people, such as ``:1.7 (ptt-button, process 812)``.

    Less is said where less is known: the client has left, or the unit hides
    other users' processes (``ProtectProc=``).
    """
    try:
        process = (await credentials_of(bus, client)).process
    except (CallFailed, BusFailed):
        return client
    if not process:
        return client
    name = _command_name(process)
    return f"{client} ({name}, process {process})" if name else f"{client} (process {process})"


def _command_name(process: int) -> str:
    """Return the name that the kernel has for a process; it may say anything there."""
    try:
        name = Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in name.rstrip("\n"))
