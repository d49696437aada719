"""``mmictl talk``: for some seconds, or as a walkie-talkie with a level meter and live text."""

import asyncio
import shutil
import signal
import sys
from argparse import Namespace
from contextlib import suppress
from unicodedata import east_asian_width

from mmid.cli.mmictl import show
from mmid.cli.mmictl.keyboard import Key, Keyboard
from mmid.cli.mmictl.show import printable
from mmid.cli.mmictl.turn import AwaitedTurn
from mmid.dbus.client import Client, Received
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import AUDIO, DIALOG, ERRORS
from mmid.errors import InvalidArgument

_HELP = "Hold Space while you speak, or press Enter before and after; c cancels, q ends."
_METER_EVERY_S = 0.1
_METER_WIDTH = 12


async def talk(client: Client, options: Namespace) -> None:
    """Talk at a terminal; or hold the microphone for some seconds and follow the reply."""
    at_terminal = options.seconds is None
    if at_terminal and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidArgument("talk: give --seconds, or run it in a terminal")
    await client.listen()
    if at_terminal:
        await _talk_at_terminal(client)
        return
    await client.call(DIALOG, "StartSpeech")
    turn = AwaitedTurn(lambda one: show.event(one, as_json=options.json))
    await turn.follow(client.signals(), options.seconds)
    if not turn.over:
        turn.begin()
        await _stop_speech(client)
    await turn.finish(client.signals(), options.timeout)


async def _stop_speech(client: Client) -> None:
    try:
        await client.call(DIALOG, "StopSpeech")
    except CallFailed as error:
        # In tap2talk the cloud may have heard the end before us.
        if error.name != ERRORS + "NotTalking":
            raise


async def _talk_at_terminal(client: Client) -> None:
    """Talk until the user has enough; ``client`` listens already.

    Raises:
        BusFailed: the bus or mmid has gone.
    """
    screen = _Screen()
    speaker = _Speaker(client, screen)
    hearing = asyncio.create_task(speaker.hear(), name="mmictl-hear")
    with Keyboard() as keyboard:
        screen.line(_HELP)
        talking = asyncio.create_task(speaker.talk(keyboard), name="mmictl-talk")
        for number in (signal.SIGTERM, signal.SIGHUP):  # the terminal must get its echo back
            asyncio.get_running_loop().add_signal_handler(number, talking.cancel)
        try:
            await asyncio.wait({hearing, talking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (hearing, talking):
                task.cancel()
            ends = await asyncio.gather(hearing, talking, return_exceptions=True)
            screen.line()
    for end in ends:
        if isinstance(end, Exception):
            raise end


class _Speaker:
    """Turns keys into speech, and what is heard into lines."""

    def __init__(self, client: Client, screen: "_Screen") -> None:
        self._client = client
        self._screen = screen
        self._over = asyncio.Event()  # the speech was ended by somebody else
        self._heard = ""

    async def talk(self, keyboard: Keyboard) -> None:
        """Speak while a key is held, until the key that ends it."""
        while (key := await keyboard.press()) is not Key.QUIT:
            if key is Key.CANCEL:
                continue
            try:
                await self._client.call(DIALOG, "StartSpeech")
            except CallFailed as error:
                self._screen.line(f"not now: {error}")
                await keyboard.held(key)  # its repeats are no new attempts
                continue
            self._heard = ""
            self._over.clear()
            await self._speak(keyboard, key)

    async def _speak(self, keyboard: Keyboard, key: Key) -> None:
        release = asyncio.create_task(keyboard.release(key), name="mmictl-release")
        over = asyncio.create_task(self._over.wait(), name="mmictl-over")
        # It asks for the level ten times a second, and only while somebody speaks.
        meter = asyncio.create_task(self._meter(), name="mmictl-meter")
        try:
            await asyncio.wait({release, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (release, over, meter):
                task.cancel()
            ends = await asyncio.gather(release, over, meter, return_exceptions=True)
        cancelled = ends[0] is Key.CANCEL
        with suppress(CallFailed):  # NotTalking: the cloud heard the end before us
            await self._client.call(DIALOG, "CancelSpeech" if cancelled else "StopSpeech")
        if cancelled:
            self._screen.line("cancelled")

    async def _meter(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            level = await self._client.get(AUDIO, "Level")
            bar = "|" * round(level * _METER_WIDTH / 100)
            seconds = int(loop.time() - began)
            clock = f"{seconds // 60}:{seconds % 60:02}"
            self._screen.live(f"{clock} [{bar:.<{_METER_WIDTH}}] {self._heard}")
            await asyncio.sleep(_METER_EVERY_S)

    async def hear(self) -> None:
        """Show what is said on both sides."""
        async for received in self._client.signals():
            self._take(received)

    def _take(self, received: Received) -> None:
        arguments = received.arguments
        match received.name:
            case "AsrIncomplete":
                self._heard = arguments["text"]
                self._screen.live(f"you:  {self._heard}")
            case "AsrComplete":
                self._screen.line(f"you:  {arguments['text']}")
            case "LlmIncomplete":
                self._screen.live(f"mmid: {arguments['text']}")
            case "LlmComplete":
                self._screen.line(f"mmid: {arguments['text']}")
            case "Error":
                self._screen.line(f"error {arguments['code']}: {arguments['message']}")
            case "PropertiesChanged" if received.changed.get("Talker") == "":
                self._over.set()


class _Screen:
    """Lines that stay, and below them one that changes."""

    def __init__(self) -> None:
        self._live = ""

    def line(self, text: str = "") -> None:
        """Print a line that stays; an empty one just ends the live one."""
        if text or self._live:
            sys.stdout.write(f"\r\033[K{printable(text)}\n" if text else "\n")
            sys.stdout.flush()
        self._live = ""

    def live(self, text: str) -> None:
        """Show the end of a text in the line that changes."""
        width = shutil.get_terminal_size().columns - 1
        self._live = _end(printable(text), width)
        sys.stdout.write(f"\r\033[K{self._live}")
        sys.stdout.flush()


def _end(text: str, columns: int) -> str:
    """Return the end of a text that fits into so many columns; a letter of Chinese takes two.

    A line that the terminal had to break would not be cleared as a whole.
    """
    for at in reversed(range(len(text))):
        columns -= 2 if east_asian_width(text[at]) in {"F", "W"} else 1
        if columns < 0:
            return text[at + 1 :]
    return text
