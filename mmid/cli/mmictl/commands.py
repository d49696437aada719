"""The short commands of mmictl: one coroutine each, named like the command."""

from argparse import Namespace
from collections.abc import Awaitable, Callable

from mmid.cli.mmictl import show
from mmid.cli.mmictl.turn import AwaitedTurn
from mmid.cli.streams import json_line
from mmid.dbus.client import Client
from mmid.dbus.interface import AUDIO, DEVICE, DIALOG
from mmid.errors import InvalidArgument

_LOUDEST = 100

Run = Callable[[Client, Namespace], Awaitable[None]]


async def monitor(client: Client, options: Namespace) -> None:
    """Print events until Ctrl-C, or until mmid leaves the bus."""
    await client.listen()
    async for signal in client.signals():
        show.event(signal, as_json=options.json)


async def ask(client: Client, options: Namespace) -> None:
    """Ask, print the reply's text, and end with the reply."""
    await client.listen()
    turn = AwaitedTurn()
    turn.begin()
    await client.call(DIALOG, "Ask", "s", options.text)
    await turn.finish(client.signals(), options.timeout)
    show.reply(options.text, turn.reply, as_json=options.json)


async def say(client: Client, options: Namespace) -> None:
    """Have mmid say a text; do not wait for its end."""
    await client.call(DIALOG, "Say", "s", options.text)


def call_of(method: str) -> Run:
    """Return a command that is one call of the dialog and nothing else, such as ``interrupt``."""

    async def call(client: Client, _: Namespace) -> None:
        await client.call(DIALOG, method)

    return call


async def device(client: Client, options: Namespace) -> None:
    """Register the device, forget who it is, or show it."""
    if options.action == "register":
        await client.call(DEVICE, "Register")
    if options.action == "reset":
        if not options.yes:
            raise InvalidArgument(
                "device reset forgets the license, and a name can be registered once only; "
                "add --yes if that is meant"
            )
        await client.call(DEVICE, "Reset")
    show.properties({DEVICE: await client.get_all(DEVICE)}, as_json=options.json)


async def volume(client: Client, options: Namespace) -> None:
    """Set the volume, turn it up or down, or print it."""
    absolute = options.percent is not None and options.percent[0] not in "+-"
    before = 0 if absolute else await client.get(AUDIO, "Volume")
    if options.percent is None:
        print(json_line({"Volume": before}) if options.json else before)
        return
    percent = min(_LOUDEST, max(0, before + int(options.percent)))
    await client.set(AUDIO, "Volume", percent)


async def mute(client: Client, options: Namespace) -> None:
    """Silence the loudspeaker, or not."""
    await client.set(AUDIO, "Muted", options.switch == "on")
