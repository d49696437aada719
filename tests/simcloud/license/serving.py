"""The license service alone, on a port of its own, for tests without the other clouds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmid.simcloud.core.certificates import Certificates
from mmid.simcloud.core.https import HttpsServer
from mmid.simcloud.core.journal import Entry, Journal
from mmid.simcloud.core.product import Product
from mmid.simcloud.core.scenario import Scenario, ScenarioRun
from mmid.simcloud.core.simulated_cloud import Simulation
from mmid.simcloud.core.voice import voice
from mmid.simcloud.license.server import CLOUD, LicenseServer


class ServedLicense(LicenseServer):
    """It answers in threads of its own, so a test needs no event loop.

    Attributes:
        url: the base URL.
        https: the server.
    """

    def __init__(
        self, product: Product, certificates: Certificates, state_file: Path | None = None
    ) -> None:
        self._entries = Journal()
        directory = certificates.certificate_file.parent
        simulation = Simulation(directory, product, self._entries, state_file)
        super().__init__(simulation, ScenarioRun(Scenario(), CLOUD.vocabulary, voice))
        context = certificates.server_context()
        self.https = HttpsServer(("127.0.0.1", 0), context, self.routes, self._entries)
        self.url = f"https://127.0.0.1:{self.https.server_address[1]}"

    @property
    def asked(self) -> list[Entry]:
        """What the journal says of requests that were handled."""
        return [entry for entry in self._entries.entries if entry["kind"] != "fault"]

    @property
    def struck(self) -> list[str]:
        """The faults that struck."""
        return [entry["do"] for entry in self._entries.entries if entry["kind"] == "fault"]


@contextmanager
def serving(
    product: Product, certificates: Certificates, state_file: Path | None = None
) -> Iterator[ServedLicense]:
    """Start the service, and stop it at the end."""
    service = ServedLicense(product, certificates, state_file)
    service.https.start()
    try:
        yield service
    finally:
        service.https.stop()
