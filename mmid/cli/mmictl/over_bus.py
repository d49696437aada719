"""The commands of mmictl that are calls to mmid: which coroutine is which."""

import asyncio
from argparse import Namespace

from mmid.cli.mmictl import commands
from mmid.cli.mmictl.status import status
from mmid.cli.mmictl.talk import talk
from mmid.cli.mmictl.timeline import timeline
from mmid.cli.mmictl.tool import tool
from mmid.dbus.client import Client

_COMMANDS: dict[str, commands.Run] = {
    "status": status,
    "talk": talk,
    "ask": commands.ask,
    "say": commands.say,
    "interrupt": commands.call_of("Interrupt"),
    "cancel": commands.call_of("CancelSpeech"),
    "new-dialog": commands.call_of("NewDialog"),
    "monitor": commands.monitor,
    "timeline": timeline,
    "connect": commands.call_of("Connect"),
    "disconnect": commands.call_of("Disconnect"),
    "device": commands.device,
    "tool": tool,
    "volume": commands.volume,
    "mute": commands.mute,
}


def obey(options: Namespace) -> int:
    """Do what the command line says; return the exit status.

    Raises:
        MmidError: mmid is not there, or says no.
    """
    asyncio.run(_obey(options))
    return 0


async def _obey(options: Namespace) -> None:
    async with await Client.connect(options.bus, start=not _only_looks(options)) as client:
        await _COMMANDS[options.command](client, options)


def _only_looks(options: Namespace) -> bool:
    """Whether a command changes nothing, and so does not start a daemon that was stopped."""
    match options.command:
        case "device":
            return bool(options.action == "show")
        case "tool":
            return bool(options.action == "list")
        case "volume":
            return options.percent is None
    return options.command in {"status", "monitor", "timeline"}
