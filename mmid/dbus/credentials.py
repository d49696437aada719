"""Who is behind a unique name of the bus: its user, its process, its program.

The bus knows user and process, as they were when the client connected. The
program is looked up in /proc. Where the unit hides other users' processes there
(``ProtectProc=``), systemd is asked: it tells everybody on the system bus what
``systemctl status`` prints.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

from mmid.dbus.bus import Bus
from mmid.dbus.failures import CallFailed
from mmid.dbus.wire import plain
from mmid.errors import BusFailed

# org.freedesktop.systemd1(5); both methods are open to every user.
_SYSTEMD = "org.freedesktop.systemd1"
_SYSTEMD_PATH = "/org/freedesktop/systemd1"
_MANAGER = _SYSTEMD + ".Manager"
# Somebody waits to hear that the microphone is taken; systemd may be busy.
_SYSTEMD_TIMEOUT_S = 1.0


async def credentials_of(bus: Bus, client: str) -> tuple[int, int]:
    """Ask the bus who a client is.

    Returns:
        Its Unix user and its process; -1 and 0 where the bus does not know.

    Raises:
        CallFailed: the client has left.
        BusFailed: the bus is lost.
    """
    told = plain(await bus.ask_bus("GetConnectionCredentials", "s", client))
    return (told.get("UnixUserID", -1), told.get("ProcessID", 0))


async def description_of(bus: Bus, client: str) -> str:
    """Return a client for people, such as ``:1.7 (ptt-button, process 812)``.

    From systemd it is ``:1.7 (python3 of ptt.service, process 812)``. Less is said
    where less is known: the client has left, or systemd does not run this machine.
    """
    try:
        _, process = await credentials_of(bus, client)
    except (CallFailed, BusFailed):
        return client
    if not process:
        return client
    program = _command_name(process) or await _program_of_unit(bus, process)
    printable = "".join(letter if letter.isprintable() else "?" for letter in program)
    return (
        f"{client} ({printable}, process {process})" if program else f"{client} (process {process})"
    )


def _command_name(process: int) -> str:
    """Return the name that the kernel has for a process; it may say anything there."""
    try:
        name = Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return name.rstrip("\n")


async def _program_of_unit(bus: Bus, process: int) -> str:
    """Return a process's program and unit as systemd knows them; empty if it does not."""
    try:
        async with asyncio.timeout(_SYSTEMD_TIMEOUT_S):
            [path] = await _ask_systemd(bus, "GetUnitByPID", "u", process)
            unit = _unit_name(path)
            [processes] = await _ask_systemd(bus, "GetUnitProcesses", "s", unit)
    except (CallFailed, BusFailed, TimeoutError):
        return ""
    commands = {number: command for _, number, command in processes}
    program = _program(commands.get(process, ""))
    return f"{program} of {unit}" if program else unit


async def _ask_systemd(bus: Bus, member: str, signature: str, argument: int | str) -> list[Any]:
    return await bus.call(_SYSTEMD, _SYSTEMD_PATH, _MANAGER, member, signature, argument)


def _unit_name(path: str) -> str:
    """Return the unit of an object path, which has other letters than a-z and 0-9 as ``_2d``."""
    escaped = path.rpartition("/")[2]
    return re.sub("_([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), escaped)


def _program(command: str) -> str:
    """Return the program of a command line; not the rest, which may hold secrets."""
    import shlex  # noqa: PLC0415 - seldom wanted, and every start would pay for it

    try:
        words = shlex.split(command)
    except ValueError:  # systemd cuts what is too long, also between quotes
        words = command.split()
    return Path(words[0]).name if words else ""
