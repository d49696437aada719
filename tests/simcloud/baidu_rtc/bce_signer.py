"""A signer of Baidu's API calls that shares no code with simcloud, written from Baidu's pages."""

import hashlib
import hmac
from collections.abc import Mapping
from time import gmtime, strftime

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def authorization(
    path: str, headers: Mapping[str, str], keys: tuple[str, str], at_s: float, names: str = "host"
) -> str:
    """Return the ``Authorization`` of a POST without a query.

    Args:
        path: of the URL; only letters, digits and slashes.
        headers: of the request, by lower-case name.
        keys: access key and secret key.
        at_s: when it is signed, Unix seconds.
        names: the headers that are signed, joined by semicolons; empty: Baidu's default.
    """
    date = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(at_s))
    begin = f"bce-auth-v1/{keys[0]}/{date}/1800"
    chosen = names.split(";") if names else list(headers)
    lines = [f"{name}:{_encoded(headers[name])}" for name in sorted(chosen)]
    request = "\n".join(["POST", path, "", *lines])
    signing_key = hmac.digest(keys[1].encode(), begin.encode(), hashlib.sha256).hex()
    signature = hmac.digest(signing_key.encode(), request.encode(), hashlib.sha256).hex()
    return f"{begin}/{names}/{signature}"


def _encoded(value: str) -> str:
    return "".join(one if one in _PLAIN else f"%{ord(one):02X}" for one in value)
