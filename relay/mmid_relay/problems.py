"""What the relay itself refuses, as problem details (RFC 9457).

A problem is raised where it is met and answered in one place. Its detail is a sentence for the
person who reads a device's log: it names no key, no host and no file of this server.
"""

from enum import Enum
from http import HTTPStatus
from typing import Any

MEDIA_TYPE = "application/problem+json"


class Kind(Enum):
    """Each kind of refusal: what it is called in metrics and audit lines, and its status."""

    NOT_JSON = ("not-json", HTTPStatus.BAD_REQUEST)
    TOO_DEEP = ("too-deep", HTTPStatus.BAD_REQUEST)
    BAD_REQUEST = ("bad-request", HTTPStatus.BAD_REQUEST)
    UNKNOWN_DEVICE = ("unknown-device", HTTPStatus.UNAUTHORIZED)
    REVOKED = ("revoked", HTTPStatus.FORBIDDEN)
    WRONG_NAME = ("wrong-name", HTTPStatus.FORBIDDEN)
    NOT_YOURS = ("not-yours", HTTPStatus.FORBIDDEN)
    NOT_FOUND = ("not-found", HTTPStatus.NOT_FOUND)
    NOT_OFFERED = ("not-offered", HTTPStatus.NOT_FOUND)
    WRONG_METHOD = ("wrong-method", HTTPStatus.METHOD_NOT_ALLOWED)
    TOO_SLOW = ("too-slow", HTTPStatus.REQUEST_TIMEOUT)
    TOO_LARGE = ("too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    WRONG_TYPE = ("wrong-type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    WRONG_FIELDS = ("wrong-fields", HTTPStatus.UNPROCESSABLE_ENTITY)
    LIMITED = ("limited", HTTPStatus.TOO_MANY_REQUESTS)
    INTERNAL = ("internal", HTTPStatus.INTERNAL_SERVER_ERROR)
    VENDOR_AWAY = ("vendor-away", HTTPStatus.BAD_GATEWAY)
    VENDOR_NOT_TRUSTED = ("vendor-not-trusted", HTTPStatus.BAD_GATEWAY)
    VENDOR_NONSENSE = ("vendor-nonsense", HTTPStatus.BAD_GATEWAY)
    BUSY = ("busy", HTTPStatus.SERVICE_UNAVAILABLE)
    STORE_AWAY = ("store-away", HTTPStatus.SERVICE_UNAVAILABLE)
    VENDOR_SLOW = ("vendor-slow", HTTPStatus.GATEWAY_TIMEOUT)

    def __init__(self, slug: str, status: HTTPStatus) -> None:
        self.slug = slug
        self.status = status


class Problem(Exception):
    """A request is refused, or cannot be carried out.

    Args:
        kind: which refusal.
        detail: a sentence.
        retry_after_s: when to try again, if that may help.
        sent: whether the vendor may have got the request: then it is not made again.
    """

    def __init__(
        self, kind: Kind, detail: str, *, retry_after_s: float | None = None, sent: bool = False
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.sent = sent

    def document(self, request_id: str) -> dict[str, Any]:
        """Return the problem details."""
        return {
            "type": f"urn:mmid-relay:problem:{self.kind.slug}",
            "title": self.kind.slug.replace("-", " "),
            "status": int(self.kind.status),
            "detail": self.detail,
            "requestId": request_id,
        }

    def headers(self) -> dict[str, str]:
        """Return the headers that go with it."""
        headers = {}
        if self.retry_after_s is not None:
            headers["retry-after"] = str(max(1, round(self.retry_after_s)))
        if self.kind is Kind.UNKNOWN_DEVICE:
            headers["www-authenticate"] = "Bearer"
        return headers
