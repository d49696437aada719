"""One turn of a dialog as a client sees it: from its speech or question to the reply's end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from mmid.dbus.client import Received
from mmid.dbus.interface import PROPERTIES
from mmid.errors import TABLE, Busy, CloudRefused, Facts, MmidError, facts_of
from mmid.events import REPLY_MAY_COME

# In these states the cloud works on an answer, and in these it has finished.
_WORKING = {"thinking", "responding"}
_FINISHED = {"listening", "idle", "offline"}


class TurnFailed(MmidError):
    """An ``Error`` signal took the reply's place."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self._code = code

    @property
    def facts(self) -> Facts:
        """The row of the error that has this code; the cloud's own codes have one together."""
        return facts_of(self._code) or TABLE[CloudRefused]


class TurnTooLong(Busy):
    """The reply did not end in time."""


class AwaitedTurn:
    """Follows the signals of one turn.

    Args:
        show: hears each signal but the changes of properties.

    Attributes:
        reply: the reply's text so far.
        error: what took the reply's place.
    """

    def __init__(self, show: Callable[[Received], None] = lambda _: None) -> None:
        self._show = show
        self.reply = ""
        self.error: TurnFailed | None = None
        self._begun = False
        self._worked = False
        self._state = ""

    def begin(self) -> None:
        """Count from here: what came before belongs to a reply that was interrupted."""
        if not self._begun:
            self._begun = True
            self._worked = False

    def take(self, signal: Received) -> bool:
        """Note a signal; return whether the turn is over."""
        arguments = signal.arguments
        match signal.name:
            case "Error" if arguments["code"] not in REPLY_MAY_COME:
                self.error = TurnFailed(arguments["code"], arguments["message"])
            case "LlmIncomplete" | "LlmComplete":
                self.reply = arguments["text"]
            case "SpeechStart" | "SpeechRestart":
                self.begin()
            case "PropertiesChanged" if "State" in signal.changed:
                self._state = signal.changed["State"]
                self._worked |= self._state in _WORKING
        return self.over

    @property
    def over(self) -> bool:
        """Whether the reply was played, or an error took its place."""
        # A state alone does not tell: "listening" stands before the reply, too.
        answered = self._begun and self._worked and self._state in _FINISHED
        return answered or self.error is not None

    async def follow(self, signals: AsyncIterator[Received], timeout_s: float) -> None:
        """Take the signals of a client that listens, until the turn or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                async for signal in signals:
                    if signal.interface != PROPERTIES:
                        self._show(signal)
                    if self.take(signal):
                        break

    async def finish(self, signals: AsyncIterator[Received], timeout_s: float) -> None:
        """Follow the turn to its end.

        Raises:
            TurnFailed: an error took the reply's place.
            TurnTooLong: it did not end in time.
        """
        if not self.over:
            await self.follow(signals, timeout_s)
        if self.error is not None:
            raise self.error
        if not self.over:
            raise TurnTooLong(
                f"the reply did not end within {timeout_s:g} s",
                advice="Try again; --timeout waits longer, mmictl timeline shows where time goes.",
            )
