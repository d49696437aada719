"""The commands of mmictl: one coroutine each, named like the command."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable

from mmid.cli.mmictl import show
from mmid.cli.mmictl.history import print_history
from mmid.cli.mmictl.status import print_status
from mmid.cli.mmictl.talk import talk_at_terminal
from mmid.cli.mmictl.turn import Turn, follow
from mmid.dbus.client import Client
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import AUDIO, DEVICE, DIALOG, ERRORS, PROPERTIES
from mmid.errors import InvalidArgument

__all__ = [
    "Run",
    "ask",
    "cancel",
    "connect",
    "device",
    "disconnect",
    "interrupt",
    "monitor",
    "mute",
    "new_dialog",
    "say",
    "status",
    "talk",
    "volume",
]

_LOUDEST = 100

Run = Callable[[Client, Namespace], Awaitable[None]]


async def status(client: Client, options: Namespace) -> None:
    """Print what mmid is doing on one screen, or what it did last; as JSON, all properties."""
    if options.history:
        await print_history(client, as_json=options.json)
        return
    values = {name: await client.get_all(name) for name in (DIALOG, DEVICE, AUDIO)}
    if options.json:
        show.properties(values, as_json=True)
        return
    if talker := values[DIALOG]["Talker"]:
        values[DIALOG]["Talker"] = await client.description_of(talker)
    print_status(*values.values())


async def monitor(client: Client, options: Namespace) -> None:
    """Print events until Ctrl-C, or until mmid leaves the bus."""
    await client.listen()
    async for signal in client.signals():
        show.event(signal, as_json=options.json)


async def talk(client: Client, options: Namespace) -> None:
    """Talk at a terminal; or hold the microphone for some seconds and follow the reply."""
    if options.seconds is None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise InvalidArgument("talk: give --seconds, or run it in a terminal")
        await client.listen()
        await talk_at_terminal(client)
        return
    await client.listen()
    await client.call(DIALOG, "StartSpeech")
    turn = Turn()
    following = asyncio.create_task(_show_turn(client, turn, as_json=options.json))
    try:
        await asyncio.wait({following}, timeout=options.seconds)
        if not following.done():
            turn.begin()
            await _stop_speech(client)
        await follow(following, turn, options.timeout)
    finally:
        await _end(following)


async def ask(client: Client, options: Namespace) -> None:
    """Ask, print the reply's text, and end with the reply."""
    await client.listen()
    turn = Turn()
    turn.begin()
    await client.call(DIALOG, "Ask", "s", options.text)
    following = asyncio.create_task(_hear_turn(client, turn))
    try:
        await follow(following, turn, options.timeout)
    finally:
        await _end(following)
    show.reply(options.text, turn.reply, as_json=options.json)


async def say(client: Client, options: Namespace) -> None:
    """Have mmid say a text; do not wait for its end."""
    await client.call(DIALOG, "Say", "s", options.text)


async def interrupt(client: Client, _: Namespace) -> None:
    """Silence the reply."""
    await client.call(DIALOG, "Interrupt")


async def cancel(client: Client, _: Namespace) -> None:
    """Forget the speech."""
    await client.call(DIALOG, "CancelSpeech")


async def new_dialog(client: Client, _: Namespace) -> None:
    """Forget what was said so far."""
    await client.call(DIALOG, "NewDialog")


async def connect(client: Client, _: Namespace) -> None:
    """Connect to the cloud now."""
    await client.call(DIALOG, "Connect")


async def disconnect(client: Client, _: Namespace) -> None:
    """Leave the cloud until connect."""
    await client.call(DIALOG, "Disconnect")


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
    if options.percent is None:
        show.value("Volume", await client.get(AUDIO, "Volume"), as_json=options.json)
        return
    before = await client.get(AUDIO, "Volume") if options.percent[0] in "+-" else 0
    percent = min(_LOUDEST, max(0, before + int(options.percent)))
    await client.set(AUDIO, "Volume", percent)


async def mute(client: Client, options: Namespace) -> None:
    """Silence the loudspeaker, or not."""
    await client.set(AUDIO, "Muted", options.switch == "on")


async def _show_turn(client: Client, turn: Turn, *, as_json: bool) -> None:
    async for signal in client.signals():
        if signal.interface != PROPERTIES:
            show.event(signal, as_json=as_json)
        if turn.take(signal):
            return


async def _hear_turn(client: Client, turn: Turn) -> None:
    async for signal in client.signals():
        if turn.take(signal):
            return


async def _end(following: "asyncio.Task[None]") -> None:
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def _stop_speech(client: Client) -> None:
    try:
        await client.call(DIALOG, "StopSpeech")
    except CallFailed as error:
        # In tap2talk the cloud may have heard the end before us.
        if error.name != ERRORS + "NotTalking":
            raise
