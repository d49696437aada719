"""The last error, kept for whoever was not there when it was told."""

from collections.abc import Callable

from mmid.errors import facts_of
from mmid.events import Error, Event
from mmid.secrets import redact
from mmid.status import Status

__all__ = ["LastError"]


class LastError:
    """Notes each ``Error`` event in the status on its way to whoever listens.

    Args:
        status: shows it as ``last_error``.
        now_ms: the wall clock, Unix ms.
        pass_on: gets every event.
    """

    def __init__(
        self, status: Status, now_ms: Callable[[], int], pass_on: Callable[[Event], None]
    ) -> None:
        self._status = status
        self._now_ms = now_ms
        self._pass_on = pass_on

    def hear(self, event: Event) -> None:
        """Pass an event on, and note it if it is an error."""
        if isinstance(event, Error):
            facts = facts_of(event.code)
            self._status.update(
                last_error={
                    "code": event.code,
                    "message": redact(event.message),
                    "remedy": facts.remedy if facts else "",
                    "time": self._now_ms(),
                }
            )
        self._pass_on(event)
