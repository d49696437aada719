"""TLS as the dialog uses it: verified, 1.2 or later, and resumed when it connects again.

A resumed handshake sends no certificates, so a reconnect checks none and costs
the board no signature; under TLS 1.2 it is a round trip shorter too. What is
resumed was verified when the session began, against the same authorities: a
change of the CA file begins anew.
"""

import asyncio
import ssl
from pathlib import Path

from mmid.errors import SettingsInvalid


class Tls:
    """What the connections to one server share: the authorities, and the last session.

    Args:
        ca_file: PEM file of authorities; empty: the system's.
    """

    def __init__(self, ca_file: str) -> None:
        self._ca_file = ca_file
        self._context: _ResumingContext | None = None
        self._loaded: list[tuple[int, int]] = []

    async def context(self) -> ssl.SSLContext:
        """Return what to connect with; the authorities are read again only if they changed.

        Raises:
            SettingsInvalid: the CA file cannot be used.
        """
        found = _versions(self._ca_file)
        if self._context is None or found != self._loaded:
            # It may be some hundred certificates: a slow core takes its time for them.
            self._context = await asyncio.to_thread(_load, self._ca_file)
            self._loaded = found
        return self._context

    def keep_session(self, connection: ssl.SSLObject) -> None:
        """Keep the session of a connection that served, for the next one."""
        if self._context is not None and connection.context is self._context:
            self._context.kept = connection.session

    def forget_session(self) -> None:
        """Begin anew next time: what was kept did not work, or nobody knows."""
        if self._context is not None:
            self._context.kept = None


class _ResumingContext(ssl.SSLContext):
    """Begins every connection with the session that was kept; asyncio has no argument for it."""

    kept: ssl.SSLSession | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Make the TLS side of a connection."""
        session = session or self.kept
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def _load(ca_file: str) -> _ResumingContext:
    # What ssl.create_default_context does since Python 3.13, on every version; but it
    # cannot make a class of ours, and would write the session's keys where a variable says.
    context = _ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca_file:
            context.load_verify_locations(ca_file)
        else:
            context.load_default_certs()
    except (OSError, ssl.SSLError) as error:
        what = (
            "does not exist" if not Path(ca_file).exists() else f"cannot be used: {error.strerror}"
        )
        raise SettingsInvalid(f"cloud.ca_file {ca_file} {what}") from error
    return context


def _versions(ca_file: str) -> list[tuple[int, int]]:
    """Return what changes when the authorities do."""
    system = ssl.get_default_verify_paths()
    paths = [Path(path) for path in (ca_file or system.cafile, system.capath) if path]
    stats = [path.stat() for path in paths if path.exists()]
    return [(one.st_ino, one.st_mtime_ns) for one in stats]
