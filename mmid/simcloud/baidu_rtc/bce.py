"""Baidu's signature of API calls, version 1, checked as its servers check it.

``Authorization: bce-auth-v1/{access key}/{UTC time}/{seconds}/{signed headers}/{signature}``:
a key is made of the secret key and all that stands before the signed headers, and with it
method, path, query and headers are signed; the body is not.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn
from urllib.parse import parse_qsl, quote

from mmid.errors import CloudRefused
from mmid.secrets import Secret
from mmid.simcloud.core.https import Call

_AUTHORIZATION = re.compile(r"(bce-auth-v1/([^/]+)/([^/]+)/(\d{1,6}))/([^/]*)/([0-9a-f]{64})")
_EARLY_S = 5 * 60  # a client's clock may be fast by so much [deduced]
# What is signed where the client does not say it, beside all that begins with x-bce-.
_SIGNED_BY_DEFAULT = ("host", "content-length", "content-type", "content-md5")


def check_signature(call: Call, keys: tuple[str, Secret], now_s: float) -> None:
    """Let a call pass, or refuse it.

    Args:
        call: what came.
        keys: the access key and the secret key that are good.
        now_s: the service's clock, Unix seconds.

    Raises:
        CloudRefused: with one of the service's codes.
    """
    found = _AUTHORIZATION.fullmatch(call.headers.get("Authorization", ""))
    if found is None:
        _refuse("InvalidHTTPAuthHeader", "The HTTP authorization header is invalid.")
    prefix, access_key, date, seconds, signed, signature = found.groups()
    if access_key != keys[0]:
        _refuse("InvalidAccessKeyId", "The Access Key ID you provided does not exist.")
    try:
        signed_at = datetime.strptime(date, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        _refuse("InvalidHTTPAuthHeader", "The time in the authorization header is invalid.")
    if not signed_at - _EARLY_S <= now_s <= signed_at + int(seconds):
        _refuse("RequestExpired", "Request has expired.")
    headers = {name.lower(): value for name, value in call.headers.items()}
    names = signed.split(";") if signed else [name for name in headers if _by_default(name)]
    if "host" not in names or not headers.keys() >= set(names):
        _refuse("InvalidHTTPAuthHeader", "host, and what is signed, must be in the request.")
    covered = {name: headers[name] for name in names}
    own = sign("POST", call.path, call.query, covered, prefix=prefix, secret_key=keys[1].reveal())
    if not hmac.compare_digest(own, signature):
        _refuse("SignatureDoesNotMatch", "The request signature does not match.")


def sign(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    *,
    prefix: str,
    secret_key: str,
) -> str:
    """Return the signature of a call, in hex.

    Args:
        method: of HTTP.
        path: of the URL, not percent-encoded.
        query: of the URL, as it is there.
        headers: those that are signed, by lower-case name.
        prefix: what stands before the signed headers in ``Authorization``.
        secret_key: of the account.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    lines = (
        method,
        quote(path, safe="/~"),
        "&".join(sorted(f"{_encode(name)}={_encode(value)}" for name, value in pairs)),
        *sorted(f"{_encode(name)}:{_encode(value.strip())}" for name, value in headers.items()),
    )
    return _hmac(_hmac(secret_key, prefix), "\n".join(lines))


def _hmac(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def _encode(text: str) -> str:
    return quote(text, safe="~")


def _by_default(name: str) -> bool:
    return name in _SIGNED_BY_DEFAULT or name.startswith("x-bce-")


def _refuse(code: str, message: str) -> NoReturn:
    raise CloudRefused(message, code)
