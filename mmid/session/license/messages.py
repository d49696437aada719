"""What the daemon and its license child say to each other, and about whom.

Plain frozen data with one JSON form each way. It crosses a pipe between two
processes of the same release, so the forms need no version. The standard
library is all this needs: the resident daemon holds it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from mmid.redaction import Secret

__all__ = [
    "ExchangeReply",
    "ExchangeRequest",
    "Identity",
    "Kind",
    "Refusal",
    "Registration",
    "Token",
    "make_nonce",
    "reply_from_plain",
    "reply_to_plain",
]

_NONCE_BYTES = 13


def make_nonce() -> str:
    """Return a new nonce, 26 hex characters. Using one twice under one key breaks the cipher."""
    return os.urandom(_NONCE_BYTES).hex()


class Kind(StrEnum):
    """The two things the license service is asked for."""

    REGISTER = "register"
    TOKEN = "token"  # noqa: S105 - a word of the protocol, not a secret


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a device is.

    Attributes:
        app_id: the product.
        app_secret: the product's secret, the same in all its devices; 32 hex characters.
        device_name: unique within the product, 1 to 32 characters.
        device_secret: this device's own secret, 32 hex characters; empty before registration.
    """

    app_id: str
    app_secret: Secret
    device_name: str
    device_secret: Secret = field(default_factory=lambda: Secret(""))


@dataclass(frozen=True, slots=True)
class ExchangeRequest:
    """One request to the license service.

    Attributes:
        kind: what is asked for.
        url: the whole ``https://`` address.
        identity: who asks.
        nonce: from ``make_nonce``, used for this request only.
        request_time_ms: Unix ms; the service accepts five minutes of error.
        api_key: sealed into a token request when fully managed; None when semi-managed.
        workspace_id: workspace whose quota pays for a registration; empty for the product's.
        ca_file: authorities to trust instead of the system's; empty for the system's.
        pay_mode: ``LICENSE``, the one value a licensed device sends.
    """

    kind: Kind
    url: str
    identity: Identity
    nonce: str
    request_time_ms: int
    api_key: Secret | None = None
    workspace_id: str = ""
    ca_file: str = ""
    pay_mode: str = "LICENSE"

    def to_plain(self) -> dict[str, Any]:
        """Return the form for the pipe, with the secrets in clear."""
        return {
            "kind": self.kind.value,
            "url": self.url,
            "identity": {
                "app_id": self.identity.app_id,
                "app_secret": self.identity.app_secret.reveal(),
                "device_name": self.identity.device_name,
                "device_secret": self.identity.device_secret.reveal(),
            },
            "nonce": self.nonce,
            "request_time_ms": self.request_time_ms,
            "api_key": None if self.api_key is None else self.api_key.reveal(),
            "workspace_id": self.workspace_id,
            "ca_file": self.ca_file and str(Path(self.ca_file).absolute()),
            "pay_mode": self.pay_mode,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "ExchangeRequest":
        """Return the request that ``to_plain`` was called on."""
        identity = plain["identity"]
        api_key = plain["api_key"]
        return cls(
            kind=Kind(plain["kind"]),
            url=plain["url"],
            identity=Identity(
                app_id=identity["app_id"],
                app_secret=Secret(identity["app_secret"]),
                device_name=identity["device_name"],
                device_secret=Secret(identity["device_secret"]),
            ),
            nonce=plain["nonce"],
            request_time_ms=plain["request_time_ms"],
            api_key=None if api_key is None else Secret(api_key),
            workspace_id=plain["workspace_id"],
            ca_file=plain["ca_file"],
            pay_mode=plain["pay_mode"],
        )


@dataclass(frozen=True, slots=True)
class Registration:
    """The device was registered; this answer comes once in its life.

    Attributes:
        device_secret: 32 hex characters.
        reply_nonce: the service's own nonce.
        response_time_ms: the service's clock when it answered, Unix ms.
        workspace_id: if the service named one, else empty.
        clock_skew_ms: the service's clock minus this board's; None if it did not tell.
    """

    device_secret: Secret
    reply_nonce: str
    response_time_ms: int
    workspace_id: str = ""
    clock_skew_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """The right to connect, for a short time.

    Attributes:
        token: the credential of the dialog connection.
        expires_ms: by the service's clock, Unix ms; subtract ``clock_skew_ms`` for the board's.
        reply_nonce: the service's own nonce.
        response_time_ms: the service's clock when it answered, Unix ms.
        workspace_id: if the service named one, else empty.
        clock_skew_ms: the service's clock minus this board's; None if it did not tell.
    """

    token: Secret
    expires_ms: int
    reply_nonce: str
    response_time_ms: int
    workspace_id: str = ""
    clock_skew_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The service understood and said no. ``codes.lookup`` tells what its code means.

    Attributes:
        code: the service's code as text, such as ``"100007"``.
        message: its own words, shortened; not to be trusted further than a log line.
        request_id: what its support asks for; empty if it sent none.
        clock_skew_ms: the service's clock minus this board's; None if it did not tell.
    """

    code: str
    message: str = ""
    request_id: str = ""
    clock_skew_ms: int | None = None


ExchangeReply = Registration | Token | Refusal

_REPLIES: dict[str, type[Registration] | type[Token] | type[Refusal]] = {
    "registration": Registration,
    "token": Token,
    "refusal": Refusal,
}
_SECRET_FIELDS = frozenset({"device_secret", "token"})


def reply_to_plain(reply: ExchangeReply) -> dict[str, Any]:
    """Return the form for the pipe, with the secrets in clear."""
    values = {row.name: getattr(reply, row.name) for row in fields(reply)}
    for name in _SECRET_FIELDS & values.keys():
        values[name] = values[name].reveal()
    return {"reply": type(reply).__name__.lower(), **values}


def reply_from_plain(plain: Mapping[str, Any]) -> ExchangeReply:
    """Return the reply that ``reply_to_plain`` was called with."""
    values = dict(plain)
    kind = _REPLIES[values.pop("reply")]
    for name in _SECRET_FIELDS & values.keys():
        values[name] = Secret(values[name])
    return kind(**values)
