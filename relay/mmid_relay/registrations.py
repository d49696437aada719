"""Registrations: each is sent to the vendor once, whoever asks how often and hangs up when."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable

from mmid_relay.answers import Answers, Reply
from mmid_relay.metrics import REPEATS
from mmid_relay.problems import Kind, Problem

_log = logging.getLogger(__name__)

_MOST_AT_ONCE = 2000


class Registrations:
    """Sends each registration once, sees it through, and keeps what came of it.

    Args:
        answers: where that is kept.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._under_way: dict[str, asyncio.Task[Reply | Problem]] = {}

    async def once(self, key: str, send: Callable[[], Awaitable[Reply]]) -> Reply:
        """Return what the vendor answers, or answered to the same request before.

        Args:
            key: what makes two requests the same.
            send: asks the vendor. It runs in a task of its own: the device may hang up.

        Raises:
            Problem: the vendor was not reached, did not answer, or nonsense.
        """
        task = self._under_way.get(key)
        if task is None:
            if len(self._under_way) >= _MOST_AT_ONCE:
                raise Problem(
                    Kind.BUSY,
                    "Too many registrations are under way; nothing was sent.",
                    retry_after_s=5,
                )
            task = asyncio.create_task(self._see_through(key, send))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key))
        else:
            REPEATS.inc()
        outcome = await asyncio.shield(task)
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    async def finish(self, timeout_s: float) -> None:
        """Wait for what is under way, at a stop."""
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=timeout_s)

    async def _see_through(self, key: str, send: Callable[[], Awaitable[Reply]]) -> Reply | Problem:
        """Return what came of a registration: nobody may be there any more to raise it to."""
        try:
            kept = await self._answers.claim(key)
        except Problem as problem:
            return problem
        if kept is not None:
            REPEATS.inc()
            return kept
        outcome = await _outcome(send)
        if isinstance(outcome, Problem) and not outcome.sent:
            await self._answers.forget(key)
        else:
            await self._answers.keep(key, outcome)
        return outcome


async def _outcome(send: Callable[[], Awaitable[Reply]]) -> Reply | Problem:
    try:
        return await send()
    except Problem as problem:
        return problem
    except Exception as error:  # noqa: BLE001 - it may have been sent, so it must be kept
        # Where, not what: an exception's text may quote what was sent.
        place = "".join(traceback.format_tb(error.__traceback__))
        _log.error("a registration failed with %s\n%s", type(error).__name__, place)
        return Problem(Kind.INTERNAL, "The relay failed; its log says where.", sent=True)
