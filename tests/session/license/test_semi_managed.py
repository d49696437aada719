"""A semi-managed device, its vendor's own server, Alibaba's client in it, and simcloud."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmid.errors import ConnectionLost, HttpFailed, LicenseRefused, TlsFailed
from mmid.secrets import Secret
from mmid.session.license.access import LicenseAccess
from mmid.session.license.exchange import exchange
from mmid.session.license.record_book import RecordBook
from mmid.settings import Cloud, License, Settings
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.certificates import make_certificates
from mmid.simcloud.license.server import LicenseServer
from mmid.status import Status
from tests.rig.client_certificate import ClientCertificate, make_client_certificate
from tests.session.doubles import MemoryStore, TestClock, rehearsed

SERVER = Path(__file__).with_name("relay_server.py")
HEADER = "X-Relay-Key: swordfish-0815"
WAIT_S = 30.0


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> ClientCertificate:
    return make_client_certificate(tmp_path_factory.mktemp("device"))


@pytest.fixture
async def cloud(cloud_directory: Path) -> AsyncIterator[SimCloud]:
    async with SimCloud(cloud_directory) as made:
        yield made


@pytest.fixture
async def relay(
    cloud: SimCloud, cloud_directory: Path, device: ClientCertificate
) -> AsyncIterator[str]:
    """The vendor's server; its address."""
    certificates = make_certificates(cloud_directory)
    facts = {
        "endpoint": cloud.line["pop_url"].removeprefix("https://"),
        "access_key_id": cloud.line["access_key_id"],
        "access_key_secret": cloud.line["access_key_secret"],
        "ca_file": str(cloud.ca_file),
        "token_key": cloud.product.api_key.reveal(),
        "certificate_file": str(certificates.certificate_file),
        "key_file": str(certificates.key_file),
        "device_certificate": str(device.certificate_file),
        "header": HEADER,
    }
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVER), stdin=pipe, stdout=pipe
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        server.stdin.write(json.dumps(facts).encode() + b"\n")
        port = int(await asyncio.wait_for(server.stdout.readline(), WAIT_S))
        yield f"https://127.0.0.1:{port}"
    finally:
        server.stdin.close()
        await asyncio.wait_for(server.wait(), WAIT_S)


async def licensed(
    cloud: SimCloud, relay: str, device: ClientCertificate, **changes: Any
) -> tuple[LicenseAccess, RecordBook]:
    given = License(
        mode="semi-managed",
        app_id=cloud.product.app_id,
        app_secret=cloud.product.app_secret,
        device_name="board1",
        register_url=f"{relay}/vendor/register",
        token_url=f"{relay}/vendor/token",
        headers=Secret(HEADER),
        client_cert=str(device.certificate_file),
        client_key=str(device.key_file),
    )
    book = RecordBook(MemoryStore())
    made = LicenseAccess(
        Settings(
            cloud=Cloud(license_url="https://unused.invalid", ca_file=str(cloud.ca_file)),
            license=replace(given, **changes),
        ),
        book=book,
        clock=TestClock(),
        status=Status(),
        exchange=exchange,
        rehearse=rehearsed,
    )
    await book.load()
    return made, book


async def test_a_device_registers_and_connects_through_its_vendors_server(
    cloud: SimCloud, relay: str, device: ClientCertificate
) -> None:
    made, book = await licensed(cloud, relay, device)
    credential = await made.credential()
    assert cloud.find(LicenseServer).token_valid(credential.token.reveal()) == "board1"
    assert credential.workspace_id == cloud.product.workspace_id
    assert book.record.registered
    kinds = [entry["kind"] for entry in cloud.journal.entries if entry.get("code") == "200"]
    assert kinds == ["register", "token"]

    # What the cloud refuses comes through as it is; what the relay refuses is no license code.
    again, _ = await licensed(cloud, relay, device)
    with pytest.raises(LicenseRefused) as caught:
        await again.credential()
    assert caught.value.code == "100008"
    nameless, _ = await licensed(cloud, relay, device, headers=Secret(""))
    with pytest.raises(HttpFailed, match="HTTP 403"):
        await nameless.credential()
    stranger, _ = await licensed(cloud, relay, device, client_cert="", client_key="")
    with pytest.raises((TlsFailed, ConnectionLost)):
        await stranger.credential()
