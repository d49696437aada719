"""The other door of simcloud's license service: what a vendor's own cloud calls.

A semi-managed device talks to its vendor's server, and that server to Alibaba's
API "BailianModelOnChip" of 2024-08-16 (license section 5): a signed form in, JSON
out, the API key as ``tokenKey`` from the server, who the device is sealed in the
request. Here forms become the requests that ``book`` understands, and its answers
become that API's. Before it stands Alibaba's gateway: it checks the signature of
the vendor's AccessKey, and has errors of its own, in a shape of its own.
"""

import secrets
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from mmid.errors import CloudRefused, MmidError
from mmid.session.license.messages import Kind
from mmid.simcloud.license.book import BAD_REQUEST, LicenseBook

POP_PATHS = {
    "/open/api/device/v1/register": Kind.REGISTER,
    "/open/api/auth/v1/token/get": Kind.TOKEN,
}
ACTIONS = {Kind.REGISTER: "DeviceRegister", Kind.TOKEN: "GetToken"}

_FIELDS = {
    Kind.REGISTER: {"appId", "nonce", "requestTime", "signature"},
    Kind.TOKEN: {
        *("appId", "deviceName", "nonce", "requestTime"),
        *("signature", "tokenKey", "tokenType"),
    },
}
# Where the gateway's status is not 400.
_STATUS = {
    "InternalError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "InvalidApi.NotFound": HTTPStatus.NOT_FOUND,
    "ServiceUnavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "Throttling.User": HTTPStatus.TOO_MANY_REQUESTS,
}


def new_access_key() -> dict[str, str]:
    """Return a new AccessKey, in the shape that the real ones have."""
    return {
        "access_key_id": f"LTAI5t{secrets.token_hex(9)}",
        "access_key_secret": secrets.token_hex(15),
    }


def read_form(kind: Kind, content: bytes) -> dict[str, str]:
    """Return the fields of a form, which must be the API's and no others.

    Raises:
        CloudRefused: it is none.
    """
    try:
        fields = dict(parse_qsl(content.decode("ascii"), strict_parsing=True, max_num_fields=20))
    except ValueError:
        raise CloudRefused("the body is not a form", BAD_REQUEST) from None
    optional = {"workspaceId"} if kind is Kind.REGISTER else set()
    wrong = _FIELDS[kind] ^ (fields.keys() - optional)
    if wrong:
        raise CloudRefused(f"missing or unknown: {', '.join(sorted(wrong))!a}", BAD_REQUEST)
    return fields


def grant(
    book: LicenseBook, kind: Kind, fields: Mapping[str, str], now_ms: int, client: str
) -> dict[str, str]:
    """Return the ``data`` of the answer to a relayed request.

    Raises:
        CloudRefused: the device may not have it.
    """
    if kind is Kind.REGISTER:
        return book.register(book.complete(kind, fields), now_ms)
    body = {name: value for name, value in fields.items() if name != "tokenKey"}
    token_key = fields["tokenKey"]
    return book.token(book.complete(kind, body), now_ms, client, token_key=token_key)


def pop_envelope(
    data: Mapping[str, str] | None, error: MmidError | None, code: str
) -> dict[str, Any]:
    """Return the answer's JSON but its request id, in the types that the API declares."""
    status = HTTPStatus.OK if code != BAD_REQUEST else HTTPStatus.BAD_REQUEST
    return {
        "code": code,
        "httpStatusCode": int(status),
        "message": "success" if error is None else str(error),
        "success": error is None,
        "data": data,
    }


def gateway_error(refused: CloudRefused, host: str) -> tuple[HTTPStatus, dict[str, str]]:
    """Return status and JSON of what the gateway refuses, as its clients have seen it."""
    return _STATUS.get(refused.code, HTTPStatus.BAD_REQUEST), {
        "RequestId": str(uuid.uuid4()).upper(),
        "HostId": host,
        "Code": refused.code,
        "Message": str(refused),
        "Recommend": f"https://api.aliyun.com/troubleshoot?q={refused.code}",
    }
