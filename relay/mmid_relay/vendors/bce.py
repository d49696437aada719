"""Baidu AI Cloud's signature, ``bce-auth-v1``.

Baidu's ``bce-python-sdk`` has a signer, and brings three packages from the days of Python 2 and
one in C with it, and writes the signing key to a debug log. These are the lines that matter of
it, held against it and against the documents' example in the tests.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

_LIFE_S = 1800


def timestamp(unix_s: float) -> str:
    """Return a moment as the signature and ``x-bce-date`` have it."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def authorization(
    method: str,
    path: str,
    headers: Mapping[str, str],
    *,
    access_key: str,
    secret_key: str,
    date: str,
    query: Mapping[str, str] | None = None,
) -> str:
    """Return the ``Authorization`` header of a request; all the headers given are signed.

    Args:
        method: such as ``POST``.
        path: of the URL, not yet encoded.
        headers: the ones to sign; ``host`` must be among them.
        access_key: AK.
        secret_key: SK.
        date: from ``timestamp``.
        query: the URL's parameters.
    """
    prefix = f"bce-auth-v1/{access_key}/{date}/{_LIFE_S}"
    signing_key = _hmac(secret_key, prefix)
    parameters = sorted(
        f"{_encoded(name)}={_encoded(text)}" for name, text in (query or {}).items()
    )
    lines = sorted(f"{name.lower()}:{_encoded(text.strip(' '))}" for name, text in headers.items())
    canonical = "\n".join([method, quote(path, safe="/~"), "&".join(parameters), *lines])
    signed = ";".join(sorted(name.lower() for name in headers))
    return f"{prefix}/{signed}/{_hmac(signing_key, canonical)}"


def _encoded(text: str) -> str:
    return quote(text, safe="~")


def _hmac(key: str, text: str) -> str:
    return hmac.digest(key.encode(), text.encode(), "sha256").hex()
