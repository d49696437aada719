import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mmid.cli.doctor.finding import Verdict
from mmid.cli.doctor.network import check_names, check_tls
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


async def test_a_server_that_mmid_would_trust_is_fine(certificates: Certificates) -> None:
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


@pytest.mark.parametrize(
    ("environment", "skips"),
    [
        ("https_proxy=http://proxy.example:3128 no_proxy=.example", True),
        ("HTTPS_PROXY=http://proxy.example:3128", True),
        ("no_proxy=.example", False),
        ("https_proxy=", False),
        ("", False),
    ],
    ids=["proxy", "capitals", "none but", "empty", "none"],
)
async def test_behind_the_proxy_of_the_service_only_the_daemon_can_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: str, skips: bool
) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho Environment={environment}\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    async with server(None) as port:
        pass
    finding = await check_names(talking_to(443, "", "no-such-host.invalid"))
    assert finding.verdict is (Verdict.SKIPPED if skips else Verdict.FAILURE)
    finding = await check_tls(talking_to(port, ""))
    assert finding.verdict is (Verdict.SKIPPED if skips else Verdict.FAILURE)
    assert ("through a proxy" in finding.text) is skips


async def test_the_proxy_may_stand_in_this_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    finding = await check_names(talking_to(443, "", "no-such-host.invalid"))
    assert finding.verdict is Verdict.SKIPPED


async def test_an_unknown_authority_is_a_failure(
    certificates: Certificates, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    await refused(certificates, "not acceptable", make_certificates(other).ca_file)


async def test_an_expired_certificate_is_a_failure(tmp_path: Path) -> None:
    await refused(make_certificates(tmp_path, expired=True), "expired")


async def test_a_certificate_for_another_host_is_a_failure(tmp_path: Path) -> None:
    await refused(make_certificates(tmp_path, ["elsewhere.example"]), "mismatch")


async def refused(
    certificates: Certificates, words: str, ca_file: Path | str | None = None
) -> None:
    async with server(certificates.server_context()) as port:
        finding = await check_tls(talking_to(port, ca_file or certificates.ca_file))
    assert finding.verdict is Verdict.FAILURE
    assert words in finding.text
    assert "cloud.ca_file" in finding.remedy


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
    finding = await check_tls(talking_to(1, broken))
    assert finding.verdict is Verdict.FAILURE
    assert str(broken) in finding.text
