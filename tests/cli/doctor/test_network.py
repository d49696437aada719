import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mmid.cli.doctor.finding import Verdict
from mmid.cli.doctor.network import check_names, check_tls, check_trust, ways_of
from mmid.settings import Settings
from mmid.simcloud.core.certificates import Certificates, make_certificates


@asynccontextmanager
async def server(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if context is None:
            writer.write(b"SSH-2.0-somebody-else\r\n")
        writer.close()

    listening = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def talking_to(port: int, ca_file: Path | str, host: str = "localhost") -> Settings:
    plain = Settings()
    return replace(
        plain,
        cloud=replace(
            plain.cloud,
            ws_url=f"wss://{host}:{port}/ws",
            license_url=f"https://{host}:{port}",
            ca_file=str(ca_file),
        ),
    )


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path)


async def test_a_server_that_mmid_would_trust_is_fine(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    _addresses(monkeypatch, "127.0.0.1")
    async with server(certificates.server_context()) as port:
        settings = talking_to(port, certificates.ca_file)
        names = await check_names(settings)
        assert names.verdict is Verdict.OK
        finding = await check_tls(settings)
    assert finding.verdict is Verdict.OK
    assert f"localhost:{port} speaks TLSv1.3" in finding.text
    assert finding.text.count("localhost") == 1  # both URLs mean this one server


async def test_a_name_without_an_address_is_a_failure_that_spares_the_rest() -> None:
    settings = talking_to(443, "", "no-such-host.invalid")
    names = await check_names(settings)
    assert names.verdict is Verdict.FAILURE
    assert "no-such-host.invalid" in names.text
    assert "resolv.conf" in names.remedy
    assert (await check_tls(settings)).verdict is Verdict.SKIPPED


@asynccontextmanager
async def connecting_proxy() -> AsyncIterator[str]:
    """A proxy that leads whoever says CONNECT to the port of that number on this machine."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        asked = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        there = await asyncio.open_connection("127.0.0.1", int(asked.rpartition(":")[2]))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with proxy:
        yield f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(10):  # both ends are closed by then
            await asyncio.gather(*filter(None, serving))


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have systemctl say that the unit has an environment."""
    systemctl = tmp_path / "systemctl"
    systemctl.touch(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def has(told: str) -> None:
        systemctl.write_text(f"#!/bin/sh\necho LoadState=loaded\necho 'Environment={told}'\n")

    return has


async def test_behind_the_proxy_of_the_service_the_daemon_s_way_is_gone(
    tmp_path: Path, unit: Callable[[str], None]
) -> None:
    certificates = make_certificates(tmp_path, ["no-such-host.invalid"])
    async with server(certificates.server_context()) as port, connecting_proxy() as proxy:
        unit(f'"LESS=a b" https_proxy={proxy}')
        settings = talking_to(port, certificates.ca_file, "no-such-host.invalid")
        names, tls = await check_names(settings), await check_tls(settings)
        assert names.verdict is Verdict.OK
        assert f"a matter of the proxy http://{proxy}" in names.text
        assert tls.verdict is Verdict.OK
        assert f"answers through the proxy http://{proxy}" in tls.text
        unit(f"HTTPS_PROXY={proxy} no_proxy=.invalid")
        assert (await check_names(settings)).verdict is Verdict.FAILURE
    unit(f"https_proxy={proxy}")
    tls = await check_tls(settings)
    assert tls.verdict is Verdict.FAILURE
    assert f"through http://{proxy}" in tls.text


async def test_a_proxy_that_cannot_be_used_is_a_failure_without_its_password(
    unit: Callable[[str], None],
) -> None:
    unit("https_proxy=ftp://u:hunter2@proxy")
    names = await check_names(talking_to(443, ""))
    assert names.verdict is Verdict.FAILURE
    assert "https_proxy of the environment cannot be used" in names.text
    assert "hunter2" not in names.text + names.remedy
    assert (await check_tls(talking_to(443, ""))).verdict is Verdict.SKIPPED


def test_a_proxy_s_password_may_hold_what_systemd_escapes(unit: Callable[[str], None]) -> None:
    unit(r'"https_proxy=http://u:a\$b\`c@proxy:3128" "LESS=a\"b"')
    [(_, _, proxy)] = ways_of(talking_to(443, "", "server.invalid"))
    assert proxy is not None
    assert proxy.password == "a$b`c"


async def test_two_proxies_before_one_server_are_both_tried(
    certificates: Certificates, unit: Callable[[str], None]
) -> None:
    async with server(certificates.server_context()) as port, connecting_proxy() as alive:
        unit(f"wss_proxy={alive} https_proxy=127.0.0.1:1")
        finding = await check_tls(talking_to(port, certificates.ca_file))
    assert finding.verdict is Verdict.FAILURE
    assert "through http://127.0.0.1:1" in finding.text


async def test_a_proxy_that_the_license_service_cannot_be_asked_through_is_a_failure(
    unit: Callable[[str], None],
) -> None:
    unit("https_proxy=https://proxy.example wss_proxy=http://proxy.example")
    names = await check_names(talking_to(443, ""))
    assert names.verdict is Verdict.FAILURE
    assert "https_proxy of the environment is https://proxy.example:443" in names.text
    assert "http:// proxy only" in names.text
    assert "wss_proxy" in names.remedy


async def test_a_proxy_of_this_environment_is_the_daemon_s_only_where_no_unit_is(
    monkeypatch: pytest.MonkeyPatch, unit: Callable[[str], None], tmp_path: Path
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    unit("")
    settings = talking_to(443, "", "no-such-host.invalid")
    assert (await check_names(settings)).verdict is Verdict.FAILURE
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho LoadState=not-found\n")
    assert "proxy.example" in (await check_names(settings)).text


async def test_an_unknown_authority_is_a_failure(
    certificates: Certificates, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    remedy = await refused(certificates, "not acceptable", make_certificates(other).ca_file)
    assert "cloud.ca_file" in remedy


async def test_an_expired_certificate_is_a_failure(tmp_path: Path) -> None:
    assert "clock" in await refused(make_certificates(tmp_path, expired=True), "expired")


async def test_a_certificate_for_another_host_is_a_failure(tmp_path: Path) -> None:
    remedy = await refused(make_certificates(tmp_path, ["elsewhere.example"]), "mismatch")
    assert "the host in the URL" in remedy


async def refused(certificates: Certificates, words: str, ca_file: Path | None = None) -> str:
    """Have the certificate refused; return the remedy, which blames one thing only."""
    async with server(certificates.server_context()) as port:
        finding = await check_tls(talking_to(port, ca_file or certificates.ca_file))
    assert finding.verdict is Verdict.FAILURE
    assert words in finding.text
    blamed = [word for word in ("clock", "cloud.ca_file", "the host in") if word in finding.remedy]
    assert len(blamed) == 1
    return finding.remedy


async def test_an_address_that_nobody_answers_at_is_named(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(certificates.server_context()) as port:
        settings = talking_to(port, certificates.ca_file)
        _addresses(monkeypatch, "127.0.0.7", "127.0.0.1")
        names = await check_names(settings)
        finding = await check_tls(settings)
    assert "localhost is 127.0.0.7 and 127.0.0.1" in names.text
    assert finding.verdict is Verdict.WARNING
    assert "127.0.0.7 does not answer (Connection refused)" in finding.text
    assert "127.0.0.1 " not in finding.text


async def test_all_addresses_are_named_if_none_answers(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(None) as port:
        pass
    _addresses(monkeypatch, "127.0.0.7", "127.0.0.1")
    finding = await check_tls(talking_to(port, certificates.ca_file))
    assert finding.verdict is Verdict.FAILURE
    assert "127.0.0.7" in finding.text
    assert "127.0.0.1" in finding.text


def _addresses(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Give each name these addresses, as a name server would."""
    ask = socket.getaddrinfo

    def answer(host: str, port: int, *more: Any, **words: Any) -> list[Any]:
        hosts = addresses if host == "localhost" else (host,)
        return [found for one in hosts for found in ask(one, port, *more, **words)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


async def test_a_server_that_speaks_no_tls_is_a_failure(certificates: Certificates) -> None:
    async with server(None) as port:
        finding = await check_tls(talking_to(port, certificates.ca_file))
    assert finding.verdict is Verdict.FAILURE
    assert "firewall or proxy" in finding.remedy


async def test_a_port_that_nobody_listens_on_is_a_failure(certificates: Certificates) -> None:
    async with server(None) as port:
        pass
    finding = await check_tls(talking_to(port, certificates.ca_file))
    assert finding.verdict is Verdict.FAILURE
    assert f"localhost:{port}" in finding.text


async def test_a_file_of_authorities_that_is_none_is_a_failure(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("not a certificate")
    finding = check_trust(talking_to(1, broken))
    assert finding.verdict is Verdict.FAILURE
    assert str(broken) in finding.text
    assert (await check_tls(talking_to(1, broken))).verdict is Verdict.SKIPPED


@pytest.mark.parametrize(
    ("host", "root", "verdict"),
    [
        ("a.aliyuncs.com", "GlobalSign Root R46", Verdict.OK),
        ("a.aliyuncs.com", "GlobalSign", Verdict.WARNING),
        ("relay.example", "GlobalSign", Verdict.OK),
    ],
)
async def test_a_file_without_the_cloud_s_newer_authority_is_a_warning(
    tmp_path: Path, host: str, root: str, verdict: Verdict
) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(_authority(root))
    finding = check_trust(talking_to(443, ca_file, host))
    assert finding.verdict is verdict
    assert ("2027-04-15" in finding.remedy) is (verdict is Verdict.WARNING)


async def test_an_authority_that_strict_clients_would_refuse_is_a_warning(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(_authority("by hand", complete=False))
    finding = check_trust(talking_to(443, ca_file, "relay.example"))
    assert finding.verdict is Verdict.WARNING
    assert "no keyUsage, subjectKeyIdentifier" in finding.text


def _authority(name: str, *, complete: bool = True) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    who = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if complete:
        usage = x509.KeyUsage(*[*[False] * 5, True, *[False] * 3])
        builder = builder.add_extension(usage, critical=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
