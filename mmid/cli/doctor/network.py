"""The way to the cloud: authorities, names, TCP, TLS."""

import asyncio
import errno
import os
import re
import shlex
import socket
import ssl
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from mmid.cli.doctor.finding import Finding, Verdict, failed, fine, skipped, warned
from mmid.cli.doctor.machine import output_of
from mmid.errors import MmidError, SettingsInvalid, certificate_advice
from mmid.session.clouds import cloud_of
from mmid.session.endpoint import Endpoint
from mmid.session.proxy import Proxy, proxy_for
from mmid.session.tls import Tls, lacking, make_context
from mmid.settings import Settings

_LONGEST_S = 10.0

# A certificate that ends so soon is a fleet that ends so soon.
_SOON_DAYS = 14

# The cloud's servers had certificates of GlobalSign R3, and have those of R46.
_CLOUD_DOMAIN = ".aliyuncs.com"
_CLOUD_ROOT = "GlobalSign Root R46"

_CA_REMEDY = "Set cloud.ca_file to a PEM file of authorities, or leave it empty for the system's."
_WAY_REMEDY = "Check the URL's host and port, and any firewall or proxy on the way."


def check_trust(settings: Settings) -> Finding:
    """Whether the authorities can be used, and will do when the cloud's old one is gone."""
    ca_file = settings.cloud.ca_file
    try:
        context = make_context(ca_file)
    except SettingsInvalid as error:
        return failed("trust", str(error), _CA_REMEDY)
    if not ca_file:
        return fine("trust", "the system's authorities")
    urls = cloud_of(settings.cloud.protocol).addresses(settings).values()
    of_the_cloud = any((urlsplit(url).hostname or "").endswith(_CLOUD_DOMAIN) for url in urls)
    if of_the_cloud and _CLOUD_ROOT not in str(context.get_ca_certs()):
        return warned(
            "trust",
            f"{ca_file} does not hold {_CLOUD_ROOT}, which the cloud's certificates come from",
            "Add it: GlobalSign Root R3, the one before it, leaves the browsers' stores on "
            "2027-04-15, and nothing new is issued from it.",
        )
    if lacks := lacking(ca_file):
        return warned(
            "trust",
            f"mmid trusts {ca_file}, but a certificate in it has no {lacks}",
            "Clients that are strict, such as those of Python 3.13, refuse it: make it with these "
            "extensions the next time.",
        )
    return fine("trust", f"{ca_file} can be used")


async def check_names(settings: Settings) -> Finding:
    """Whether every server's name has an address, where no proxy looks it up."""
    try:
        ways = ways_of(settings)
    except SettingsInvalid as error:
        return failed("names", str(error), error.remedy)
    found = []
    for host, port, proxy in ways:
        if proxy is not None:
            found.append(f"{host} is a matter of the proxy {proxy.shown}")
            continue
        try:
            addresses = await _addresses_of(host, port)
        except (OSError, TimeoutError) as error:
            return failed(
                "names",
                f"{host} has no address: {_reason(error)}",
                "Check the network and the name server (/etc/resolv.conf), and the URL's host.",
            )
        found.append(f"{host} is {' and '.join(addresses)}")
    return fine("names", ", ".join(found))


async def check_tls(settings: Settings) -> Finding:
    """Whether every server shows a certificate that mmid trusts: at each address, or by proxy."""
    try:
        context, ways = make_context(settings.cloud.ca_file), ways_of(settings)
    except SettingsInvalid:
        return skipped("tls", "the authorities or the proxy cannot be used")
    tries = [
        _try_proxy(host, port, proxy, settings.cloud.ca_file)
        if proxy
        else _try_server(host, port, context)
        for host, port, proxy in ways
    ]
    found = await asyncio.gather(*tries)
    for verdict in (Verdict.FAILURE, Verdict.SKIPPED, Verdict.WARNING):
        for finding in found:
            if finding.verdict is verdict:
                return finding
    return fine("tls", ", ".join(finding.text for finding in found))


def ways_of(settings: Settings) -> Collection[tuple[str, int, Proxy | None]]:
    """Return the ways that mmid goes: host and port of a server, and the proxy before it.

    Raises:
        SettingsInvalid: the environment names a proxy that cannot be used.
    """
    environment = _environment()
    ways: dict[tuple[str, int, Proxy | None], None] = {}  # each once, in order
    for url in cloud_of(settings.cloud.protocol).addresses(settings).values():
        parts = urlsplit(url)
        ways[parts.hostname or "", parts.port or 443, proxy_for(url, environment)] = None
    return ways


def _environment() -> Mapping[str, str] | None:
    """Return the service's environment; None, for our own, where it is not installed."""
    told = output_of("systemctl show mmid.service --property=LoadState,Environment")
    lines = dict(line.partition("=")[::2] for line in told.splitlines())
    if lines.get("LoadState") != "loaded":
        return None
    # systemd escapes these two in quotes, as a shell wants it; shlex would leave the backslash.
    environment = re.sub(r"\\([$`])", r"\1", lines.get("Environment", ""))
    return dict(word.partition("=")[::2] for word in shlex.split(environment))


async def _addresses_of(host: str, port: int) -> list[str]:
    async with asyncio.timeout(_LONGEST_S):
        loop = asyncio.get_running_loop()
        answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


async def _try_proxy(host: str, port: int, proxy: Proxy, ca_file: str) -> Finding:
    """Go the way of the dialog up to the end of the TLS handshake."""
    from mmid.session.link import rehearse  # noqa: PLC0415 - few have a proxy, and it is large

    server = f"{host}:{port}"
    endpoint = Endpoint(f"wss://{server}", server, {})
    try:
        await rehearse(endpoint, Tls(ca_file), _LONGEST_S, {proxy.variable: proxy.url})
    except MmidError as error:
        return failed("tls", str(error), error.remedy)
    return fine("tls", f"{server} answers through the proxy {proxy.shown}")


async def _try_server(host: str, port: int, context: ssl.SSLContext) -> Finding:
    """Shake hands at all addresses: mmid takes the first that answers, and that may be any."""
    try:
        addresses = await _addresses_of(host, port)
    except (OSError, TimeoutError):
        return skipped("tls", f"{host} has no address")
    tries = (_shake_hands(host, port, address, context) for address in addresses)
    answers = dict(zip(addresses, await asyncio.gather(*tries), strict=True))
    dead = {address: told for address, told in answers.items() if isinstance(told, str)}
    found = [told for told in answers.values() if isinstance(told, Finding)]
    if not found:
        reasons = ", ".join(f"{told} ({address})" for address, told in dead.items())
        return failed("tls", f"no connection to {host}:{port}: {reasons}", _WAY_REMEDY)
    wrong = next((finding for finding in found if finding.verdict is not Verdict.OK), None)
    # A board without IPv6 is told so at once: that address costs no time.
    slow = {one: told for one, told in dead.items() if told != os.strerror(errno.ENETUNREACH)}
    if wrong or not slow:
        return wrong or found[0]
    reasons = ", ".join(f"{address} does not answer ({told})" for address, told in slow.items())
    return warned(
        "tls",
        f"{host}:{port} has an address that is dead: {reasons}",
        "mmid takes another, but loses 0.25 s at each connection: mend the way to that address, "
        "or have the name server not give it out.",
    )


async def _shake_hands(
    host: str, port: int, address: str, context: ssl.SSLContext
) -> Finding | str:
    """Return what the server shows at one address, or why nobody answers there."""
    try:
        async with asyncio.timeout(_LONGEST_S):
            _, writer = await asyncio.open_connection(
                address, port, ssl=context, server_hostname=host
            )
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {host}:{port} is not acceptable: {error.verify_message}"
        remedy = certificate_advice(error.verify_code)
        return failed("tls", text, remedy)
    except ssl.SSLError as error:
        return failed("tls", f"TLS with {host}:{port} failed: {error.reason}", _WAY_REMEDY)
    except (OSError, TimeoutError) as error:
        return _reason(error)
    try:
        tls, certificate = (writer.get_extra_info(name) for name in ("ssl_object", "peercert"))
    finally:
        # The handshake told all; a polite close would wait for a server that may hang.
        writer.transport.abort()
    ends_s = ssl.cert_time_to_seconds(certificate["notAfter"])
    days = int((ends_s - datetime.now(UTC).timestamp()) // 86400)
    if days < _SOON_DAYS:
        remedy = "Tell whoever runs that server; afterwards no board will connect."
        return warned("tls", f"the certificate of {host} ends in {days} days", remedy)
    version = tls.version()
    return fine("tls", f"{host}:{port} speaks {version}, certificate for {days} more days")


def _reason(error: Exception) -> str:
    """Say why there is no connection; asyncio wraps the kernel's words for it in its own."""
    number = getattr(error, "errno", None)
    known = os.strerror(number) if isinstance(number, int) and number > 0 else None
    return known or getattr(error, "strerror", None) or str(error) or "no answer in time"
