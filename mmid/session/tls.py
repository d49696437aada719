"""TLS as the dialog uses it: verified, 1.2 or later, and resumed when it connects again.

A resumed handshake sends no certificates, so a reconnect checks none and costs
the board no signature; under TLS 1.2 it is a round trip shorter too. What is
resumed was verified when the session began, against the same authorities: a
change of the CA file begins anew.

The system has its authorities twice: in one file of some 140, which takes 0.9 MiB and
20 ms to read here, and in a directory where OpenSSL finds the one it needs by a hash of
its name. The directory is asked first; the file is read if that does not have it.
"""

import asyncio
import re
import ssl
from pathlib import Path

from mmid.errors import SettingsInvalid

__all__ = ["Tls"]

# What c_rehash and openssl-rehash(1ssl) call a certificate.
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")

# X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN and
# X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY of x509_vfy.h: nobody knows the authority.
_UNKNOWN_AUTHORITY = {2, 19, 20}


class Tls:
    """What the connections to one server share: the authorities, and the last session.

    Args:
        ca_file: PEM file of authorities; empty: the system's.
    """

    def __init__(self, ca_file: str) -> None:
        self._ca_file = ca_file
        self._context: _ResumingContext | None = None
        self._loaded: list[tuple[int, int]] = []
        self._sparingly = True

    async def context(self) -> ssl.SSLContext:
        """Return what to connect with; the authorities are read again only if they changed.

        Raises:
            SettingsInvalid: the CA file cannot be used.
        """
        found = _versions(self._ca_file)
        if self._context is None or found != self._loaded:
            if found != self._loaded:
                self._sparingly = True
            # It may be some hundred certificates: a slow core takes its time for them.
            self._context = await asyncio.to_thread(_load, self._ca_file, self._sparingly)
            self._loaded = found
        return self._context

    def know_more(self, error: BaseException | None) -> bool:
        """Read all authorities from now on, if a connection failed for want of one.

        Returns:
            Whether the next attempt may know one that this one did not.
        """
        unknown = isinstance(error, ssl.SSLCertVerificationError) and (
            error.verify_code in _UNKNOWN_AUTHORITY
        )
        if not unknown or not self._sparingly or _directory(self._ca_file) is None:
            return False
        self._sparingly, self._context = False, None
        return True

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


def _load(ca_file: str, sparingly: bool) -> _ResumingContext:
    # What ssl.create_default_context does since Python 3.13, on every version; but it
    # cannot make a class of ours, and would write the session's keys where a variable says.
    context = _ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    directory = _directory(ca_file) if sparingly else None
    try:
        if ca_file or directory:
            context.load_verify_locations(ca_file or None, directory)
        else:
            context.load_default_certs()
    except (OSError, ssl.SSLError) as error:
        what = "does not exist" if not Path(ca_file).exists() else f"cannot be used: {error!r}"
        raise SettingsInvalid(f"cloud.ca_file {ca_file} {what}") from error
    return context


def _directory(ca_file: str) -> str | None:
    """Return where the system has its authorities one by one; None: all are in a file only.

    An operator who names a file by SSL_CERT_FILE means that file.
    """
    system = ssl.get_default_verify_paths()
    if ca_file or system.capath is None or system.cafile not in {None, system.openssl_cafile}:
        return None
    try:
        hashed = any(_HASHED.fullmatch(one.name) for one in Path(system.capath).iterdir())
    except OSError:
        return None
    return system.capath if hashed else None


def _versions(ca_file: str) -> list[tuple[int, int]]:
    """Return what changes when the authorities do."""
    system = ssl.get_default_verify_paths()
    paths = [Path(path) for path in (ca_file or system.cafile, system.capath) if path]
    stats = [path.stat() for path in paths if path.exists()]
    return [(one.st_ino, one.st_mtime_ns) for one in stats]
