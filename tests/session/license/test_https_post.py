"""The way of one POST: the address that answers, the proxy as the dialog reads it, one TLS."""

import asyncio
import base64
import time
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from mmid.errors import ConnectionLost, SettingsInvalid
from mmid.session.license.https_post import Response, post
from mmid.session.license.messages import HttpsEndpoint
from mmid.simcloud.core.certificates import Certificates
from tests.session.doubles import dead_first_address, peer

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LIMIT_S = 10.0


class Service:
    """Answers one request and keeps its head; as a proxy, it takes the tunnel for itself."""

    def __init__(self) -> None:
        self.heads: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        await reader.readexactly(2)
        writer.write(ANSWER)

    def proxy(self, certificates: Certificates) -> "Proxy":
        return Proxy(self, certificates)


class Proxy:
    """A proxy whose every tunnel ends at the service."""

    def __init__(self, service: Service, certificates: Certificates) -> None:
        self._service = service
        self._context = certificates.server_context()
        self.heads: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.start_tls(self._context)
        await self._service.serve(reader, writer)


async def ask(endpoint: HttpsEndpoint) -> Response:
    return await asyncio.to_thread(post, endpoint, b"{}", LIMIT_S)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_an_address_that_nobody_answers_at_costs_a_moment(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with peer(Service().serve, certificates.server_context()) as port:
        with dead_first_address(port, monkeypatch):
            began = time.monotonic()
            endpoint = HttpsEndpoint(f"https://localhost:{port}/", str(certificates.ca_file))
            assert (await ask(endpoint)).body == b"{}"
            assert time.monotonic() - began < LIMIT_S / 2  # the dead one alone takes all of it


@pytest.mark.parametrize(
    ("spelling", "user"),
    [
        ("127.0.0.1:{}", None),
        ("board@127.0.0.1:{}", "board:"),
        ("http://board:p%40ss@localhost:{}/", "board:p@ss"),
    ],
)
async def test_a_proxy_is_read_as_the_dialog_reads_it(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, spelling: str, user: str | None
) -> None:
    service = Service()
    proxy = service.proxy(certificates)
    async with peer(proxy.serve) as port:
        monkeypatch.setenv("https_proxy", spelling.format(port))
        await ask(HttpsEndpoint("https://localhost:8443/v1/x?y=z", str(certificates.ca_file)))
    (head,) = proxy.heads
    assert head.startswith("CONNECT localhost:8443 HTTP/1.")
    basic = base64.b64encode(user.encode()).decode() if user else None
    assert (f"Proxy-Authorization: Basic {basic}" in head) is (user is not None)
    assert service.heads[0].startswith("POST /v1/x?y=z HTTP/1.1\r\n")
    assert "Host: localhost:8443\r\n" in service.heads[0]
    assert "Proxy-" not in service.heads[0]


@pytest.mark.parametrize(
    ("certificate", "key"), [("/dev/null", ""), ("/dev/null", __file__), (__file__, "/dev/null")]
)
async def test_a_client_certificate_or_key_that_is_no_file_is_refused_unopened(
    certificate: str, key: str
) -> None:
    """A pipe would never be read to its end."""
    endpoint = HttpsEndpoint("https://localhost:9/", client_cert=certificate, client_key=key)
    with pytest.raises(SettingsInvalid, match="it is a pipe, a device or a socket"):
        await ask(endpoint)


async def test_a_network_of_no_proxy_is_gone_to_directly(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    async with peer(Service().serve, certificates.server_context()) as port:
        await ask(HttpsEndpoint(f"https://127.0.0.1:{port}/", str(certificates.ca_file)))


@pytest.mark.parametrize("proxy", ["socks5h://u:hunter2@h", "https://u:hunter2@h", "ftp://hunter2"])
async def test_a_proxy_that_cannot_be_used_is_told_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(SettingsInvalid, match="https_proxy of the environment") as caught:
        await ask(HttpsEndpoint("https://localhost:9/"))
    assert "hunter2" not in str(caught.value)


async def test_a_proxy_that_is_away_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "127.0.0.1:1")
    with pytest.raises(ConnectionLost, match="Connection refused"):
        await ask(HttpsEndpoint("https://localhost:9/"))


@pytest.fixture
def in_shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CST-8")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_shanghai")
@pytest.mark.parametrize("date", ["Sun Nov 29 06:00:00 2026", "Sun, 29 Nov 2026 06:00:00 -0000"])
def test_a_date_without_a_zone_is_utc_wherever_the_board_is(date: str) -> None:
    headers = Message()
    headers["Date"] = date
    assert Response(200, headers, b"", 1_795_932_000_000).clock_skew_ms == 500


async def test_no_variable_makes_it_write_its_keys(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    async with peer(Service().serve, certificates.server_context()) as port:
        await ask(HttpsEndpoint(f"https://localhost:{port}/", str(certificates.ca_file)))
    assert not await asyncio.to_thread((tmp_path / "keys").exists)
