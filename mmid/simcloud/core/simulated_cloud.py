"""What a cloud's folder gives to simcloud, and what it gets.

The folder exports one ``SimulatedCloud`` named ``CLOUD``, and ``clouds`` has a line for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmid.simcloud.core.faults import Vocabulary
from mmid.simcloud.core.https import HttpsRoute
from mmid.simcloud.core.journal import Journal
from mmid.simcloud.core.product import Product
from mmid.simcloud.core.scenario import ScenarioRun
from mmid.simcloud.core.websocket import WebSocketRoute


@dataclass(frozen=True, slots=True)
class Simulation:
    """What all clouds of one process share.

    Attributes:
        directory: where a cloud may keep files; see ``product.load_kept``.
        product: whom they serve, with the secrets.
        journal: what happened.
        state_file: where registered devices outlive the process, or None.
        token_checks: who knows a bearer token: each returns the kind of credential and
            the device that it names, or None. A cloud that issues tokens adds its own.
    """

    directory: Path
    product: Product
    journal: Journal
    state_file: Path | None = None
    token_checks: list[Callable[[str], tuple[str, str] | None]] = field(default_factory=list)

    def check_bearer(self, authorization: Sequence[str]) -> tuple[str, str] | None:
        """Return the kind of credential in ``Authorization`` headers and its device, or None."""
        scheme, _, token = authorization[0].partition(" ") if len(authorization) == 1 else [""] * 3
        if scheme.lower() != "bearer" or not token:
            return None
        return next(filter(None, (check(token) for check in self.token_checks)), None)


@dataclass(frozen=True, slots=True)
class Urls:
    """Where this process listens, as clients name it: ``wss://HOST:PORT``, ``https://HOST:PORT``."""

    wss: str
    https: str


class CloudServer:
    """One cloud while it runs; a cloud has a subclass with what it needs.

    Attributes:
        sockets: its WebSocket endpoints, by path.
        routes: its HTTPS requests, by path. They are called in the event loop.
    """

    sockets: Mapping[str, WebSocketRoute] = {}
    routes: Mapping[str, HttpsRoute] = {}

    def line(self, urls: Urls) -> Mapping[str, str]:  # noqa: ARG002 - most add an address of it
        """Return what this cloud adds to the line that ``mmid-simcloud`` prints."""
        return {}


@dataclass(frozen=True, slots=True)
class SimulatedCloud:
    """What one cloud's folder exports.

    Attributes:
        name: of its own tables in a scenario file.
        start: makes the cloud that runs, of what all share and of a scenario.
        vocabulary: what it understands of a scenario file.
        scenarios: a folder of scenario files that come with it, or None.
    """

    name: str
    start: Callable[[Simulation, ScenarioRun], CloudServer]
    vocabulary: Vocabulary
    scenarios: Path | None = None
