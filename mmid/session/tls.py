"""TLS as every connection of mmid uses it: one maker of contexts, and sessions that are resumed.

A resumed handshake sends no certificates, so a reconnect checks none and costs
the board no signature; under TLS 1.2 it is a round trip shorter too. What is
resumed was verified when the session began, for the same name and against the
same authorities: another of either begins anew.
"""

import ssl
from contextlib import suppress
from pathlib import Path

from mmid.errors import SettingsInvalid
from mmid.regular_file import LONGEST_PEM_BYTES, require_regular_file

# Extensions that RFC 5280 demands of an authority, and OpenSSL only when it is told to be
# strict: their name, and the end of their object identifier in DER.
_DEMANDED = {
    "basicConstraints": b"\x06\x03\x55\x1d\x13",
    "keyUsage": b"\x06\x03\x55\x1d\x0f",
    "subjectKeyIdentifier": b"\x06\x03\x55\x1d\x0e",
}


class ResumingContext(ssl.SSLContext):
    """Begins every connection with the session that was kept for its name, if one was.

    asyncio has no argument for a session.
    """

    kept: ssl.SSLSession | None = None
    kept_for: str | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Make the TLS side of a connection."""
        if server_hostname == self.kept_for:
            session = session or self.kept
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def make_context(ca_file: str) -> ResumingContext:
    """Return what to connect with: verified by these authorities, TLS 1.2 or later.

    Not ``ssl.create_default_context``, for two reasons. Since Python 3.13 that one asks OpenSSL
    to be strict, which refuses authorities as OpenSSL's own tutorials make them (no keyUsage)
    though the chain is sound: a private cloud must not depend on the board's Python. And it
    would write the keys of each session where the variable SSLKEYLOGFILE says.

    Args:
        ca_file: PEM file of authorities; empty: the system's.

    Raises:
        SettingsInvalid: the CA file cannot be used.
    """
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    # Each certificate of the file is trusted as it is, also one that another has signed.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca_file:
            require_regular_file(ca_file, LONGEST_PEM_BYTES)
            context.load_verify_locations(ca_file)
        else:
            context.load_default_certs()
    except (OSError, ssl.SSLError) as error:
        missing = isinstance(error, FileNotFoundError)
        what = "does not exist" if missing else f"cannot be used: {error.strerror}"
        raise SettingsInvalid(f"cloud.ca_file {ca_file} {what}") from error
    return context


def lacking(ca_file: str) -> str:
    """Say what the authorities of a file lack for clients that are strict; empty: nothing.

    Raises:
        SettingsInvalid: the CA file cannot be used.
    """
    found: list[bytes] = make_context(ca_file).get_ca_certs(binary_form=True)
    lacks = [name for name, der in _DEMANDED.items() if any(der not in one for one in found)]
    return ", ".join(lacks)


class Tls:
    """What the connections to one cloud share: the authorities, and the last session.

    Args:
        ca_file: PEM file of authorities; empty: the system's.
    """

    def __init__(self, ca_file: str) -> None:
        self._ca_file = ca_file
        self._context: ResumingContext | None = None
        self._loaded: list[tuple[int, int]] = []

    def context(self) -> ResumingContext:
        """Return what to connect with; the authorities are read again only if they changed.

        They may be some hundred certificates: call it where it may take its time.

        Raises:
            SettingsInvalid: the CA file cannot be used.
        """
        found = _versions(self._ca_file)
        if self._context is None or found != self._loaded:
            self._context = make_context(self._ca_file)
            self._loaded = found
        return self._context

    def keep_session(self, connection: ssl.SSLObject) -> None:
        """Keep the session of a connection that served, for the next one to the same name."""
        # Each session that is asked for costs 6 KiB for ever (CPython 3.11 to 3.13), so one serves
        # as long as the cloud takes it.
        if connection.session_reused:
            return
        if self._context is not None and connection.context is self._context:
            self._context.kept = connection.session
            self._context.kept_for = connection.server_hostname

    def forget_session(self) -> None:
        """Begin anew next time: what was kept did not work, or nobody knows."""
        if self._context is not None:
            self._context.kept = None


def _versions(ca_file: str) -> list[tuple[int, int]]:
    """Return what changes when the authorities do."""
    system = ssl.get_default_verify_paths()
    found = []
    for path in filter(None, (ca_file or system.cafile, system.capath)):
        with suppress(OSError):  # whoever loads it says what is wrong
            seen = Path(path).stat()
            found.append((seen.st_ino, seen.st_mtime_ns))
    return found
