"""The whole simulated cloud: its license service and its dialog, started as one.

    async with SimCloud(directory) as cloud:
        ...                      # point a device at cloud.ws_url and cloud.license_url
        await cloud.journal.wait_for("speech-end")

Used by the command ``mmid-simcloud``, and in-process by tests. The dialogs of
other clouds will be further services beside this one.
"""

import asyncio
import copy
import uuid
from collections import deque
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from mmid.secrets import Secret
from mmid.simcloud.core.certificates import make_certificates
from mmid.simcloud.core.journal import Entry, Journal
from mmid.simcloud.core.product import load_product
from mmid.simcloud.core.scenario import Scenario, Turn
from mmid.simcloud.core.voice import phrase, read_wav
from mmid.simcloud.license.service import LicenseService, Product
from mmid.simcloud.multimodal_dialog.service import PATH, DialogService, Gate
from mmid.simcloud.multimodal_dialog.terms import Account, Conversation

_LOCAL = ("localhost", "127.0.0.1")


class Address:
    """Where the cloud listens, and the name clients use.

    Args:
        host: the address to bind.
        port: of the dialog; 0 is any free one.
        license_port: of the license service; 0 is any free one.
        name: the host name or address in the URLs and the certificate, if not ``host``.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, license_port: int = 0, name: str = ""
    ) -> None:
        self.host = host
        self.port = port
        self.license_port = license_port
        self.name = name or host

    def url(self, scheme: str, port: int, path: str = "") -> str:
        """Return a URL on this host."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"{scheme}://{name}:{port}{path}"


class SimCloud:
    """The cloud.

    Args:
        directory: keeps the certificate and the product; a second cloud with
            the same directory is the same cloud to a device.
        scenario: the script.
        address: where it listens.
        record_dir: where journal and audio go as files, or None.
        state_file: remembers registered devices, or None.
        product: whom it serves, if not the one kept in the directory.

    Attributes:
        product: whom it serves, with the secrets.
        journal: what happened so far.
        license: the license service; its faults may be changed while it runs.
        ca_file: what a client must trust.
        ws_url: where the dialog is.
        license_url: base of the license service.

    Raises:
        SettingsInvalid: a file that is kept in the directory is broken.
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
    ) -> None:
        scenario = scenario or Scenario()
        self._address = address or Address()
        self.product = product or load_product(directory)
        self.journal = Journal(record_dir)
        hosts = tuple(dict.fromkeys((*_LOCAL, self._address.name)))
        certificates = make_certificates(directory, hosts)
        self.ca_file = certificates.ca_file
        self.license = LicenseService(
            self.product,
            certificates,
            host=self._address.host,
            port=self._address.license_port,
            journal=self._license_entry,
            state_file=state_file,
        )
        self.license.faults = copy.deepcopy(scenario.license)  # they are used up
        self._dialog = DialogService(
            Account(self.product.app_id, self.product.workspace_id),
            Gate(self.product.api_key, self.license.token_valid),
            Conversation(scenario, _voice, lambda: str(uuid.uuid4())),
            self.journal,
            certificates.server_context(),
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ws_url = ""
        self.license_url = ""

    @property
    def app_id(self) -> str:
        """The product's AppId."""
        return self.product.app_id

    @property
    def app_secret(self) -> Secret:
        """The product's AppSecret."""
        return self.product.app_secret

    @property
    def api_key(self) -> Secret:
        """The customer's API key."""
        return self.product.api_key

    @property
    def workspace_id(self) -> str:
        """The customer's default workspace."""
        return self.product.workspace_id

    @property
    def heard(self) -> deque[bytes]:
        """The bytes of the latest speeches."""
        return self.journal.heard

    @property
    def said(self) -> deque[bytes]:
        """The bytes of the latest replies."""
        return self.journal.said

    def description(self) -> dict[str, str]:
        """Return what a client must know, secrets in clear: for the command's one line."""
        return {
            "ws_url": self.ws_url,
            "license_url": self.license_url,
            "ca_file": str(self.ca_file.absolute()),
            "app_id": self.app_id,
            "app_secret": self.app_secret.reveal(),
            "api_key": self.api_key.reveal(),
            "workspace_id": self.workspace_id,
        }

    async def wait_for(self, what: Any, *, timeout_s: float = 10.0, nth: int = 1) -> Entry:
        """Wait for an entry of the journal; see ``Journal.wait_for``."""
        return await self.journal.wait_for(what, timeout_s=timeout_s, nth=nth)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        try:
            port = await self._dialog.start(self._address.host, self._address.port)
            self.license.start()
        except OSError:
            await self.__aexit__()
            raise
        self.ws_url = self._address.url("wss", port, PATH)
        license_port = urlsplit(self.license.url).port or 0
        self.license_url = self._address.url("https", license_port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._dialog.stop()
        await asyncio.to_thread(self.license.stop)
        self.journal.close()

    def _license_entry(self, entry: Entry) -> None:
        """Take an entry from a thread of the license service."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: self.journal.add(**entry))


def _voice(turn: Turn, rate_hz: int) -> bytes:
    if turn.reply_wav:
        return read_wav(Path(turn.reply_wav), rate_hz)
    notes = phrase(rate_hz)
    size = int(turn.reply_s * rate_hz) * 2
    return (notes * (size // len(notes) + 1))[:size] if size else notes
