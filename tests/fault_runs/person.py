"""The people of a fault run: the dialogs that they hold, and how each one ended.

A dialog is over when its reply was heard, or when an Error said that it will
not be. Anything else is a hang, which is what a fault run looks for.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from random import Random
from typing import Any

from mmid.errors import Busy, InvalidArgument, NotReady, NotTalking
from mmid.events import Command, DataDeinit, DataInit, Error, Event, SpeechPrepare, State
from mmid.gateway.gateway import Gateway
from mmid.status import Status

# Longer than the longest chain of deadlines of a dialog: a heartbeat's silence
# and its answer, a RequestToSpeak, a connection.
LIMIT_S = 120.0

# Back-off doubles to a minute: several refusals in a row take several of them.
OFFLINE_LIMIT_S = 200.0

# After the floor was granted the reply to a question comes within this time, or there is none.
_FLOOR_S = 5.0

_CLIENT = ":fault.run"

# What people do in each work mode, and how often relative to each other.
_WORDS = {"ask": 15, "say": 10, "interrupt": 8, "new-dialog": 3}
KINDS = {
    "push2talk": {
        "speak": 40,
        "early-press": 8,  # while the device may still connect
        "barge-in": 10,  # press while the reply plays
        "cancel": 5,
        "leave": 4,  # the program that talks leaves the bus
        **_WORDS,
    },
    "tap2talk": {"speak": 40, "early-press": 8, "barge-in": 10, "cancel": 5, "leave": 4, **_WORDS},
    "duplex": _WORDS,  # whoever speaks there just speaks
}
_PRESSES = {"speak", "early-press", "cancel", "leave"}


class Ending(StrEnum):
    """How a dialog ended."""

    ANSWERED = "answered"
    UNHEARD = "unheard"  # the cloud listened again without a reply: nothing was understood
    ERROR = "error"
    LOST = "lost"  # the connection ended under it, and nobody was told
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One dialog.

    Attributes:
        device: whose dialog it was.
        kind: one of ``KINDS``.
        ending: how it ended.
        code: the Error's code, or what it hung in.
        seconds: from the first command to the end.
    """

    device: int
    kind: str
    ending: Ending
    code: str
    seconds: float


class Failed(Exception):
    """The dialog was ended by an Error."""


class Unheard(Exception):
    """The cloud listens again without a reply."""


class Lost(Exception):
    """The connection ended in the middle of the dialog, without an Error."""


class Person:
    """Somebody who talks to one device, and hears its events.

    Args:
        mode: the device's work mode.
        random: what to do and when.
        patience_s: how long to hear a reply before interrupting it.

    Attributes:
        counts: how often each event was heard, and each command came too late.
    """

    def __init__(self, mode: str, random: Random, patience_s: float = inf) -> None:
        self._mode = mode
        self._random = random
        self._patience_s = patience_s
        self._heard: list[Event] = []
        self._news = asyncio.Event()
        self._gateway: Gateway
        self._status: Status
        self.counts: Counter[str] = Counter()

    def meet(self, gateway: Gateway, status: Status) -> None:
        """Get to know the device."""
        self._gateway, self._status = gateway, status
        status.observe(lambda _: self._news.set())

    def hear(self, event: Event) -> None:
        """Hear an event of the device."""
        self._heard.append(event)
        # The first cloud calls as well, and wants no answer.
        answers = self._status.cloud != "multimodal-dialog"
        if answers and isinstance(event, Command) and event.name == "tool_call":
            asyncio.get_running_loop().call_soon(self._answer_call, event)
        self.counts[type(event).__name__] += 1
        self._news.set()

    async def hold_dialog(self, device: int) -> Outcome:
        """Hold one dialog, once the device listens."""
        kinds = KINDS[self._mode]
        (kind,) = self._random.choices(list(kinds), list(kinds.values()))
        loop = asyncio.get_running_loop()
        began = loop.time()
        ending, code = Ending.ANSWERED, ""
        try:
            async with asyncio.timeout(OFFLINE_LIMIT_S):
                while not await self._begin(kind):
                    pass
            began = loop.time()
            async with asyncio.timeout(LIMIT_S):
                await self._go_on(kind)
        except Unheard:
            ending = Ending.UNHEARD
        except Lost:
            ending, code = Ending.LOST, ", ".join(type(event).__name__ for event in self._heard)
        except Failed as error:
            ending, code = Ending.ERROR, str(error)
        except TimeoutError:
            latest = [type(event).__name__ for event in self._heard[-8:]]
            talker = f", {self._status.talker} talks" if self._status.talker else ""
            ending, code = Ending.HUNG, f"{self._status.state}{talker}, after {latest}"
        self._heard.clear()
        return Outcome(device, kind, ending, code, loop.time() - began)

    async def _begin(self, kind: str) -> bool:
        """Begin as soon as the device may be ready for it; False if it was not."""
        ready = {State.LISTENING, State.CONNECTING} if kind == "early-press" else {State.LISTENING}
        while self._status.state not in ready or self._status.talker:
            self._news.clear()
            await self._news.wait()
        self._heard.clear()
        try:
            if kind in _PRESSES:
                await self._press()
            elif kind == "say":
                self._gateway.say("good evening")
            else:
                self._gateway.ask("how are you")
        except (NotReady, Busy):
            await asyncio.sleep(0.05)
            return False
        return True

    async def _press(self) -> None:
        accepted = self._gateway.start_speech(_CLIENT)
        if accepted is not None:
            await accepted
            opened = [isinstance(event, DataInit) for event in self._heard]
            if True in opened:  # forget the attempts that failed while the press waited
                del self._heard[: len(opened) - opened[::-1].index(True)]

    async def _go_on(self, kind: str) -> None:
        match kind:
            case "speak" | "early-press":
                await self._talk()
                await self._spoken_reply(0)
            case "cancel":
                await self._after_a_moment(self._gateway.cancel_speech, 0, _CLIENT)
            case "leave":
                await self._after_a_moment(self._gateway.client_left, 0, _CLIENT)
            case "interrupt":
                begun = await self._reply_begins(0)
                await self._after_a_moment(self._gateway.interrupt, begun)
            case "barge-in":
                begun = await self._reply_begins(0)
                with suppress(NotReady, Busy):  # the Error has been told, or is to come
                    await self._press()
                await self._talk()
                await self._spoken_reply(begun)
            case "new-dialog":
                await self._after_a_moment(self._gateway.new_dialog, 0)
            case _:
                await self._reply(0)

    async def _talk(self) -> None:
        if self._mode == "tap2talk" and self._random.random() < 0.7:  # the cloud hears the end
            return
        await asyncio.sleep(self._random.uniform(0.15, 0.5))
        self._try(self._gateway.stop_speech, _CLIENT)

    async def _after_a_moment(self, command: Any, after: int, *arguments: str) -> None:
        """Give a command that ends the turn without a reply."""
        await asyncio.sleep(self._random.uniform(0, 0.2))
        self._try(command, *arguments)
        await self._wait("SpeechPrepare", after)

    async def _spoken_reply(self, after: int) -> None:
        await self._reply(await self._wait("SpeechStart SpeechRestart", after))

    async def _reply(self, after: int) -> None:
        began = await self._reply_begins(after)
        hurry = asyncio.get_running_loop().call_later(self._patience_s, self._hurry)
        try:
            await self._wait("SpeechPrepare", await self._wait("TtsEnd", began))
        finally:
            hurry.cancel()

    async def _reply_begins(self, after: int) -> int:
        began = await self._wait("TtsStart SpeechPrepare", after)
        if isinstance(self._heard[began - 1], SpeechPrepare):  # the end, or the floor was asked for
            try:
                async with asyncio.timeout(_FLOOR_S):
                    return await self._wait("TtsStart", began)
            except TimeoutError:
                raise Unheard from None
        return began

    def _hurry(self) -> None:
        self._try(self._gateway.interrupt)

    async def _wait(self, names: str, after: int) -> int:
        """Wait for one of the events; return the index behind it.

        Raises:
            Failed: an Error came first.
            Lost: the connection ended first. SpeechPrepare alone may come in the next one: there
                was nothing left to lose.
        """
        while True:
            found = _find(self._heard, names.split(), after)
            if found is not None:
                return found + 1
            self._news.clear()
            await self._news.wait()

    def _answer_call(self, call: Command) -> None:
        """Be the program that answers when the model calls a function."""
        told = {one["name"]: one["value"] for one in json.loads(call.params_json)}
        self._try(self._gateway.tool_result, told["id"], "{}")

    def _try(self, command: Any, *arguments: str) -> None:
        """Give a command that may come too late: then the Error has been told, or is to come."""
        try:
            command(*arguments)
        except (NotReady, NotTalking, Busy, InvalidArgument) as error:
            self.counts[f"{type(error).__name__} to a command that came too late"] += 1


def _find(heard: Sequence[Event], names: list[str], after: int) -> int | None:
    for index in range(after, len(heard)):
        event = heard[index]
        if isinstance(event, Error):
            raise Failed(event.code)
        if type(event).__name__ in names:
            return index
        if isinstance(event, DataDeinit) and names != ["SpeechPrepare"]:
            raise Lost
    return None
