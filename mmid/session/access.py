"""How a board proves itself to a cloud: what the supervisor asks of every such way.

A cloud names the way it takes (``session.clouds``). Alibaba's license is one
(``session.license``): it registers the device once and fetches tokens. An API key that is
sent as it is, and an instance that is fetched for each connection, fit the same shape.
"""

from collections.abc import Awaitable
from typing import Protocol

from mmid.errors import MmidError
from mmid.frozen import frozen
from mmid.secrets import Secret
from mmid.session.effects import Next
from mmid.settings import Settings

__all__ = ["Access", "Credential"]


@frozen
class Credential:
    """What one connection proves itself with; a cloud that needs more than this adds to it.

    Attributes:
        token: the secret that the upgrade carries.
    """

    token: Secret


class Access(Protocol):
    """One way to prove who this device is, with the state that it keeps between connections.

    All of it is called from the event loop. It shows in ``Status`` how far it is.
    """

    def show(self) -> None:
        """Bring the status up to date with the settings and the device record."""

    def credential(self) -> Awaitable[Credential]:
        """Return what to connect with now; fetches it, or registers the device, if need be.

        Raises:
            MmidError: there is none; ``after`` tells what follows.
        """

    def after(self, error: MmidError) -> Next | None:
        """Take in why an attempt failed; return what follows, None if the error is not ours.

        Args:
            error: what ``credential`` raised, or how the cloud received what it gave.
        """

    def long_wait_s(self) -> float:
        """Return how long ``Next.HOURS`` is now, in seconds."""

    def waiting(self, wait_s: float | None) -> None:
        """The next attempt is so far away; None: it waits for somebody to act."""

    def forgive(self) -> None:
        """Somebody asked to try again: what was refused counts no more."""

    def forget(self) -> None:
        """The device record was erased: what came of it is not true any more."""

    def use(self, settings: Settings) -> None:
        """Prove who we are by other settings from the next connection on."""

    async def see_through(self) -> None:
        """We are told to stop: end what must not be cut, in bounded time."""

    @property
    def clock_refused(self) -> bool:
        """Whether it is our clock that the other side does not accept."""

    def describe(self) -> str:
        """Say in a line what stands in the way, for ``systemctl status``; empty: nothing."""
