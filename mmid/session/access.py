"""How a board proves itself to a cloud: what the supervisor asks of every such way.

A cloud names the way it takes (``session.clouds``). Alibaba's license is one
(``session.license``): it registers the device once and fetches tokens. An API key that is
sent as it is, and an instance that is fetched for each connection, fit the same shape.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from mmid.errors import MmidError
from mmid.frozen import frozen
from mmid.secrets import Secret
from mmid.session.effects import Next
from mmid.settings import Settings

# "Every few hours", spread so that a fleet does not come back at one moment.
HOURS_S = (1.5 * 3600.0, 2.5 * 3600.0)


@frozen
class Credential:
    """What one connection proves itself with; a cloud that needs more than this adds to it.

    Attributes:
        token: the secret that the upgrade carries.
    """

    token: Secret


# Goes the whole way to the cloud up to the end of the TLS handshake, by the settings, the proxy
# and the headers that a connection with this credential would have, and asks nothing there. An
# ``Access`` awaits it before it asks for what cannot be undone; it raises what a connect would.
Rehearse = Callable[[Credential], Awaitable[None]]


class Access(ABC):
    """One way to prove who this device is, with the state that it keeps between connections.

    All of it is called from the event loop. It shows in ``Status`` how far it is. What has an
    answer here fits a way that keeps no state: a credential that is there, or is not.
    """

    clock_refused = False  # whether it is our clock that the other side does not accept

    @abstractmethod
    def show(self) -> None:
        """Bring the status up to date with the settings and the device record."""

    @abstractmethod
    async def credential(self) -> Credential:
        """Return what to connect with now; fetches it, or registers the device, if need be.

        Raises:
            MmidError: there is none; ``after`` tells what follows.
        """

    @abstractmethod
    def use(self, settings: Settings) -> None:
        """Prove who we are by other settings from the next connection on."""

    @abstractmethod
    def describe(self) -> str:
        """Say in a line what stands in the way, for ``systemctl status``; empty: nothing."""

    def after(self, error: MmidError) -> Next | None:  # noqa: ARG002 - for those who have one
        """Take in why an attempt failed; return what follows, None without an opinion.

        Args:
            error: what ``credential`` raised, or how the cloud received what it gave.
        """
        return None

    def long_wait_s(self) -> float:
        """Return how long ``Next.HOURS`` is now, in seconds: not the same for each board."""
        return random.uniform(*HOURS_S)  # noqa: S311 - a spread

    def forget(self) -> None:
        """The device record was erased: what came of it is not true any more."""
        self.show()

    # Nothing to do, for most: B027 would have such methods abstract.

    def waiting(self, wait_s: float | None) -> None:  # noqa: B027
        """The next attempt is so far away; None: it waits for somebody to act."""

    def accepted(self) -> None:  # noqa: B027
        """The cloud has let the credential in."""

    def authorized(self) -> None:  # noqa: B027
        """In the dialog, the cloud has said that this device may use it."""

    def ended(self) -> None:  # noqa: B027
        """The connection that the last credential was for has ended, or never came to be."""

    def forgive(self) -> None:  # noqa: B027
        """Somebody asked to try again: what was refused counts no more."""

    async def see_through(self) -> None:  # noqa: B027
        """We are told to stop: end what must not be cut, in bounded time."""
