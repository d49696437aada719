"""The way to the cloud: names, TCP, TLS."""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from mmid.cli.doctor.finding import Finding, Verdict, failed, fine, skipped, warned
from mmid.cli.doctor.machine import output_of
from mmid.errors import TABLE, TlsFailed
from mmid.session.clouds import cloud_of
from mmid.session.proxy import environment_names_proxy
from mmid.settings import Settings

_LONGEST_S = 10.0

# A certificate that ends so soon is a fleet that ends so soon.
_SOON_DAYS = 14


def _addresses(settings: Settings) -> Iterator[tuple[str, int]]:
    """Host and port of each server that the settings name, once each."""
    seen: set[tuple[str, int]] = set()
    for url in cloud_of(settings.cloud.protocol).addresses(settings).values():
        parts = urlsplit(url)
        address = parts.hostname or "", parts.port or 443
        if address not in seen:
            seen.add(address)
            yield address


async def check_names(settings: Settings) -> Finding:
    """Whether every server's name has an address."""
    loop = asyncio.get_running_loop()
    found = []
    for host, port in _addresses(settings):
        try:
            async with asyncio.timeout(_LONGEST_S):
                answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError) as error:
            reason = getattr(error, "strerror", None) or "no answer in time"
            if await _proxy_is_set():
                return skipped("names", f"{host} has no address here: {reason}; {_PROXY}")
            return failed(
                "names",
                f"{host} has no address: {reason}",
                "Check the network and the name server (/etc/resolv.conf), and the URL's host.",
            )
        found.append(f"{host} is {answers[0][4][0]}")
    return fine("names", ", ".join(found))


async def check_tls(settings: Settings) -> Finding:
    """Whether every server shows a certificate that mmid will trust."""
    ca_file = settings.cloud.ca_file
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        return failed("tls", f"cloud.ca_file {ca_file} cannot be used: {error}", _CA_REMEDY)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    found = []
    for host, port in _addresses(settings):
        finding = await _shake_hands(host, port, context)
        if finding.verdict is Verdict.FAILURE and await _proxy_is_set():
            return skipped("tls", f"{finding.text}; {_PROXY}")
        if finding.verdict is not Verdict.OK:
            return finding
        found.append(finding.text)
    return fine("tls", ", ".join(found))


_PROXY = "but mmid goes through a proxy, and its dialog tells whether that works"


async def _proxy_is_set() -> bool:
    """Whether this environment, or that of the service, names a proxy."""
    if environment_names_proxy():
        return True
    told = await output_of("systemctl show mmid.service --property=Environment")
    return any(name != "no" for name in re.findall(r"(\w+)_proxy=[^\s\"]", told.lower()))


_CA_REMEDY = "Set cloud.ca_file to a PEM file of authorities, or leave it empty for the system's."


async def _shake_hands(host: str, port: int, context: ssl.SSLContext) -> Finding:
    try:
        async with asyncio.timeout(_LONGEST_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    except socket.gaierror:
        return skipped("tls", f"{host} has no address")
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {host}:{port} is not acceptable: {error.verify_message}"
        return failed("tls", text, TABLE[TlsFailed].remedy)
    except ssl.SSLError as error:
        return failed("tls", f"TLS with {host}:{port} failed: {error.reason}", _MIDDLE_REMEDY)
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "no answer in time"
        return failed("tls", f"no connection to {host}:{port}: {reason}", _MIDDLE_REMEDY)
    try:
        version, certificate = _of(writer)
    finally:
        # The handshake told all; a polite close would wait for a server that may hang.
        writer.transport.abort()
    days = _days_left(certificate)
    if days < _SOON_DAYS:
        remedy = "Tell whoever runs that server; afterwards no board will connect."
        return warned("tls", f"the certificate of {host} ends in {days} days", remedy)
    return fine("tls", f"{host}:{port} speaks {version}, certificate for {days} more days")


_MIDDLE_REMEDY = "Check the URL's host and port, and any firewall or proxy on the way."


def _of(writer: asyncio.StreamWriter) -> tuple[str, dict[str, str]]:
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate: dict[str, str] = writer.get_extra_info("peercert")
    return tls.version() or "TLS", certificate


def _days_left(certificate: dict[str, str]) -> int:
    ends_s = ssl.cert_time_to_seconds(certificate["notAfter"])
    return int((ends_s - datetime.now(UTC).timestamp()) // 86400)
