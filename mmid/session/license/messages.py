"""What the daemon and its license child say to each other, and about whom.

Plain frozen data, which crosses the pipe as ``mmid.child`` has it. The standard
library is all this needs: the resident daemon holds it.
"""

import os
from enum import StrEnum

from mmid.errors import HttpFailed, MalformedMessage
from mmid.frozen import frozen
from mmid.secrets import Secret

# license.codec: the codec that is part of mmid.
BUILT_IN = "built-in"

# The longest answer of the service that is read; in the vendor's logs it has 717 bytes.
BODY_LIMIT = 64 * 1024

# What the service's clock may say, Unix ms: the years 2000 to 2099. All else is no time.
SERVICE_TIMES_MS = range(946_684_800_000, 4_102_444_800_000)

_NONCE_BYTES = 13

NO_SECRET = Secret("")


def make_nonce() -> str:
    """Return a new nonce, 26 hex characters. Using one twice under one key breaks the cipher."""
    return os.urandom(_NONCE_BYTES).hex()


class Kind(StrEnum):
    """What the license is needed for; the first two are asked of the license service."""

    REGISTER = "register"
    TOKEN = "token"  # noqa: S105 - a word of the protocol, not a secret
    SIGN = "sign"


@frozen
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
    device_secret: Secret = NO_SECRET


@frozen
class HttpsEndpoint:
    """Where the license service, or a relay, is asked over HTTPS, and with what proof.

    Attributes:
        url: the whole ``https://`` address.
        ca_file: authorities to trust instead of the system's; empty for the system's.
        headers: further headers, a line ``Name: value`` each.
        client_cert: PEM file with our certificate; empty for none.
        client_key: PEM file with its key; empty if the certificate's file holds it.
        whose: what messages call the server.
    """

    url: str
    ca_file: str = ""
    headers: Secret = NO_SECRET
    client_cert: str = ""
    client_key: str = ""
    whose: str = "license service"


@frozen
class Unopened:
    """The one answer to a registration, as it came: nobody could open it yet.

    Attributes:
        device_name: the name that was registered.
        nonce: of the request.
        request_time_ms: of the request, Unix ms.
        data: the body of the answer, in the form of ``reply_body.as_text``.
        codec_state: what a vendor's codec remembers of its request, hex; else empty.
    """

    device_name: str
    nonce: str
    request_time_ms: int
    data: str
    codec_state: Secret = NO_SECRET


class ReplyNotOpened(MalformedMessage):
    """The service did what it was asked, and its answer cannot be opened or is not for us.

    Args:
        message: why.
        unopened: the answer, if it is one that comes only once.
    """

    def __init__(self, message: str, unopened: Unopened | None) -> None:
        super().__init__(message)
        self.unopened = unopened


class ReplyNotUnderstood(HttpFailed):
    """What came is no answer of a license service, as far as we understand it.

    Args:
        message: why.
        unopened: what came, for a later mmid that understands it.
    """

    def __init__(self, message: str, unopened: Unopened) -> None:
        super().__init__(message)
        self.unopened = unopened


@frozen
class ExchangeRequest:
    """One request to the license service, or to the codec alone.

    Attributes:
        kind: what is asked for.
        endpoint: the service's; not used for ``SIGN`` and for what is only opened.
        identity: who asks.
        nonce: from ``make_nonce``, used for this request only. A vendor's codec makes its own.
        request_time_ms: Unix ms; the service accepts five minutes of error.
        api_key: sealed into a token request when fully managed; None when semi-managed.
        workspace_id: workspace whose quota pays for a registration; empty for the product's.
        pay_mode: ``LICENSE``, the one value a licensed device sends.
        codec: ``built-in``, or ``vendor:`` and the path of the vendor's library.
        codec_state: what the vendor's codec wants back, hex; empty before registration.
        unopened: an answer that is here already: it is opened, and nobody is asked.
        task_id: for ``SIGN``: the connection's task, 32 hex digits.
    """

    kind: Kind
    endpoint: HttpsEndpoint
    identity: Identity
    nonce: str
    request_time_ms: int
    api_key: Secret | None = None
    workspace_id: str = ""
    pay_mode: str = "LICENSE"
    codec: str = BUILT_IN
    codec_state: Secret = NO_SECRET
    unopened: Unopened | None = None
    task_id: str = ""


@frozen
class Registration:
    """The device was registered; this answer comes once in its life.

    Attributes:
        device_secret: 32 hex characters; empty if only a vendor's codec knows it.
        reply_nonce: the service's own nonce.
        response_time_ms: the service's clock when it answered, Unix ms.
        workspace_id: if the service named one, else empty.
        clock_skew_ms: the service's clock minus this board's; None if it did not tell.
        request_nonce: of the request that was answered.
        codec_state: what a vendor's codec wants to be kept, hex; else empty.
    """

    device_secret: Secret
    reply_nonce: str
    response_time_ms: int
    workspace_id: str = ""
    clock_skew_ms: int | None = None
    request_nonce: str = ""
    codec_state: Secret = NO_SECRET


@frozen
class Token:
    """The right to connect, for a short time.

    Attributes:
        token: the credential of the dialog connection.
        expires_ms: by the service's clock, Unix ms; subtract ``clock_skew_ms`` for the board's.
        reply_nonce: the service's own nonce.
        response_time_ms: the service's clock when it answered, Unix ms.
        workspace_id: if the service named one, else empty.
        clock_skew_ms: the service's clock minus this board's; None if it did not tell.
        request_ip: the address that the service was asked from, or empty.
    """

    token: Secret
    expires_ms: int
    reply_nonce: str
    response_time_ms: int
    workspace_id: str = ""
    clock_skew_ms: int | None = None
    request_ip: str = ""


@frozen
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


@frozen
class TaskSignature:
    """What a licensed device puts into a dialog's first message (license section 3.4).

    Attributes:
        timestamp: Unix ms, as text.
        license_info: opaque.
        device_info: opaque.
    """

    timestamp: str
    license_info: str
    device_info: str


ExchangeReply = Registration | Token | Refusal | TaskSignature
# The child names the one it sends.
REPLIES = {kind.__name__: kind for kind in (Registration, Token, Refusal, TaskSignature)}
