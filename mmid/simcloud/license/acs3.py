"""Alibaba's signature of API calls, version 3, checked as its gateway checks it.

A call names its action in ``x-acs-*`` headers, says when it was made and carries a number
that is used once; ``Authorization`` signs these, the form and the path with the AccessKey.
What the gateway refuses has a word for a code where an API behind it has a number.
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn

from mmid.errors import CloudRefused
from mmid.simcloud.core.https import Call

_ALGORITHM = "ACS3-HMAC-SHA256"
_VERSION = "2024-08-16"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{{64}})"
)
_TIME_WINDOW_S = 15 * 60
# More than a bench can use in the time window; the oldest go first.
_NONCE_LIMIT = 50_000

# Header -> its name in the gateway's complaint.
_REQUIRED = {
    "x-acs-action": "Action",
    "x-acs-version": "Version",
    "x-acs-date": "Timestamp",
    "x-acs-signature-nonce": "SignatureNonce",
    "x-acs-content-sha256": "ContentSha256",
}

# What Alibaba's pages have of the gateway's errors (common error codes, 2026).
_MESSAGES = {
    "IncompleteSignature": "The request signature does not conform to Aliyun standards.",
    "InvalidAccessKeyId.NotFound": "Specified access key is not found.",
    "InvalidApi.NotFound": "Specified api is not found, please check your url and method.",
    "InvalidTimeStamp.Expired": "Specified time stamp or date value is expired.",
    "InvalidTimeStamp.Format": "Specified time stamp or date value is not well formatted.",
    "InvalidVersion": "Specified parameter Version is not valid.",
    "SignatureDoesNotMatch": "Specified signature does not match our calculation.",
    "SignatureNonceUsed": "Specified signature nonce was used already.",
}


class SignatureCheck:
    """The gateway's doorkeeper: one AccessKey, and the nonces that it has used.

    Args:
        access_key_id: whose calls are good.
        access_key_secret: what they are signed with.
    """

    def __init__(self, access_key_id: str, access_key_secret: str) -> None:
        self._key_id = access_key_id
        self._secret = access_key_secret
        self._nonces: OrderedDict[str, None] = OrderedDict()

    def check(self, call: Call, action: str, now_ms: int) -> None:
        """Let a call pass, or refuse it.

        Args:
            call: what came.
            action: what is called by its path.
            now_ms: the gateway's clock, Unix ms.

        Raises:
            CloudRefused: with one of the gateway's codes.
        """
        headers = {name.lower(): value.strip() for name, value in call.headers.items()}
        for name, called in _REQUIRED.items():
            if not headers.get(name):
                raise CloudRefused(f"{called} is mandatory for this action.", f"Missing{called}")
        if headers["x-acs-action"] != action:
            _refuse("InvalidApi.NotFound")
        if headers["x-acs-version"] != _VERSION:
            _refuse("InvalidVersion")
        self._check_time(headers["x-acs-date"], now_ms)
        self._check_signature(call, headers)
        # Only what was signed uses a nonce up: nobody can spend another's.
        nonce = headers["x-acs-signature-nonce"]
        if nonce in self._nonces:
            _refuse("SignatureNonceUsed")
        self._nonces[nonce] = None
        while len(self._nonces) > _NONCE_LIMIT:
            self._nonces.popitem(last=False)

    def _check_time(self, date: str, now_ms: int) -> None:
        try:
            signed_at = datetime.strptime(date, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            _refuse("InvalidTimeStamp.Format")
        if abs(signed_at.timestamp() - now_ms / 1000) > _TIME_WINDOW_S:
            _refuse("InvalidTimeStamp.Expired")

    def _check_signature(self, call: Call, headers: Mapping[str, str]) -> None:
        found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if found is None:
            _refuse("IncompleteSignature")
        key_id, signed, signature = found.groups()
        if key_id != self._key_id:
            _refuse("InvalidAccessKeyId.NotFound")
        names = signed.split(";")
        # What says where the call goes and what it does must be covered.
        must = {"host"} | {name for name in headers if name.startswith("x-acs-")}
        if names != sorted(set(names)) or not must <= set(names) <= headers.keys():
            _refuse("IncompleteSignature")
        digest = headers["x-acs-content-sha256"]
        own = sign(
            call.path, call.query, {name: headers[name] for name in names}, digest, self._secret
        )
        # The digest of the body is no secret, and a header may hold what compare_digest refuses.
        same_body = digest == hashlib.sha256(call.body).hexdigest()
        if not (hmac.compare_digest(signature, own) and same_body):
            _refuse("SignatureDoesNotMatch")


def sign(path: str, query: str, headers: Mapping[str, str], digest: str, secret: str) -> str:
    """Return the signature of a POST, in hex.

    Args:
        path: of the URL.
        query: in its canonical form: sorted, percent-encoded.
        headers: those that are signed, in the order of their lower-case names.
        digest: SHA-256 of the body, in hex.
        secret: of the AccessKey.
    """
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = "\n".join(("POST", path, query, lines, ";".join(headers), digest))
    to_sign = f"{_ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()


def _refuse(code: str) -> NoReturn:
    raise CloudRefused(_MESSAGES[code], code)
