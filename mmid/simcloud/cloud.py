"""All simulated clouds, started as one.

    async with SimCloud(directory) as cloud:
        ...                      # point a device at cloud.line["ws_url"]
        await cloud.journal.wait_for("speech-end")

Used by the command ``mmid-simcloud``, and in-process by tests.
"""

import asyncio
import hmac
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from mmid.simcloud.clouds import all_clouds
from mmid.simcloud.core.certificates import make_certificates
from mmid.simcloud.core.faults import check_faults
from mmid.simcloud.core.https import HttpsServer
from mmid.simcloud.core.journal import Entry, Journal
from mmid.simcloud.core.product import Product, load_product
from mmid.simcloud.core.scenario import Scenario, ScenarioRun
from mmid.simcloud.core.simulated_cloud import CloudServer, SimulatedCloud, Simulation, Urls
from mmid.simcloud.core.voice import voice
from mmid.simcloud.core.websocket import WebSocketServer

_LOCAL = ("localhost", "127.0.0.1")

_Server = TypeVar("_Server", bound=CloudServer)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the clouds listen, and the name clients use.

    Attributes:
        host: the address to bind.
        port: of the WebSockets; 0 is any free one.
        https_port: of the HTTPS requests; 0 is any free one.
        name: the host name or address in the URLs and the certificate; empty: ``host``.
    """

    host: str = "127.0.0.1"
    port: int = 0
    https_port: int = 0
    name: str = ""

    @property
    def known_as(self) -> str:
        """The name clients use."""
        return self.name or self.host

    def url(self, scheme: str, port: int) -> str:
        """Return a URL on this host, without a path."""
        name = f"[{self.known_as}]" if ":" in self.known_as else self.known_as
        return f"{scheme}://{name}:{port}"


class SimCloud:
    """The clouds.

    Args:
        directory: keeps the certificate and the secrets; a second one with the same
            directory is the same to a device.
        scenario: the script.
        address: where they listen.
        record_dir: where journal and audio go as files, or None.
        state_file: remembers registered devices, or None.
        product: whom they serve, if not the one kept in the directory.
        clouds: which ones; None: all.

    Attributes:
        product: whom they serve, with the secrets.
        journal: what happened so far.
        ca_file: what a client must trust.
        line: what a client must know, secrets in clear; complete once they listen.

    Raises:
        SettingsInvalid: a file that is kept in the directory is broken, or no cloud
            understands a fault of the scenario.
    """

    def __init__(
        self,
        directory: Path,
        *,
        scenario: Scenario | None = None,
        address: Address | None = None,
        record_dir: Path | None = None,
        state_file: Path | None = None,
        product: Product | None = None,
        clouds: Sequence[SimulatedCloud] | None = None,
    ) -> None:
        scenario, clouds = scenario or Scenario(), clouds or all_clouds()
        check_faults(scenario.faults, [cloud.vocabulary for cloud in clouds])
        self._address = address or Address()
        self.product = product or load_product(directory)
        self.journal = Journal(record_dir)
        hosts = tuple(dict.fromkeys((*_LOCAL, self._address.known_as)))
        certificates = make_certificates(directory, hosts)
        self._tls = certificates.server_context()
        self.ca_file = certificates.ca_file
        self.line: dict[str, str] = {}
        simulation = Simulation(directory, self.product, self.journal, state_file)
        simulation.token_checks.append(self._check_api_key)
        self._clouds = [
            cloud.start(simulation, ScenarioRun(scenario, cloud.vocabulary, voice))
            for cloud in clouds
        ]
        # Paths of different clouds do not collide: they are those of the real services.
        sockets = {path: route for one in self._clouds for path, route in one.sockets.items()}
        self._websocket = WebSocketServer(sockets, self.journal, self._tls)
        self._https: HttpsServer | None = None

    def find(self, kind: type[_Server]) -> _Server:
        """Return the one of the clouds that is of this class, for a test to look at or change."""
        return next(cloud for cloud in self._clouds if isinstance(cloud, kind))

    @property
    def heard(self) -> deque[bytes]:
        """The bytes of the latest speeches."""
        return self.journal.heard

    @property
    def said(self) -> deque[bytes]:
        """The bytes of the latest replies."""
        return self.journal.said

    async def wait_for(self, what: Any, *, timeout_s: float = 10.0, nth: int = 1) -> Entry:
        """Wait for an entry of the journal; see ``Journal.wait_for``."""
        return await self.journal.wait_for(what, timeout_s=timeout_s, nth=nth)

    async def __aenter__(self) -> Self:
        try:
            await self._listen()
        except OSError:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._websocket.stop()
        if self._https is not None:
            # In a thread, because answers that are held back still need this loop.
            await asyncio.to_thread(self._https.stop)
            self._https = None
        self.journal.close()

    async def _listen(self) -> None:
        address, loop = self._address, asyncio.get_running_loop()
        port = await self._websocket.start(address.host, address.port)
        routes = {path: route for one in self._clouds for path, route in one.routes.items()}
        where = (address.host, address.https_port)
        self._https = HttpsServer(where, self._tls, routes, self.journal, loop)
        self._https.start()
        https_port = self._https.server_address[1]
        urls = Urls(address.url("wss", port), address.url("https", int(https_port)))
        for cloud in self._clouds:
            self.line.update(cloud.line(urls))
        self.line.update(
            ca_file=str(self.ca_file.absolute()),
            app_id=self.product.app_id,
            app_secret=self.product.app_secret.reveal(),
            api_key=self.product.api_key.reveal(),
            workspace_id=self.product.workspace_id,
        )

    def _check_api_key(self, token: str) -> tuple[str, str] | None:
        own = self.product.api_key.reveal()
        return ("api-key", "") if hmac.compare_digest(token.encode(), own.encode()) else None
