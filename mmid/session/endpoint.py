"""The far end of a link: where it is, and how it may refuse us or end.

Apart from ``link``, which does the work, because that brings websockets with it: the daemon
is ready before it imports that.
"""

from collections.abc import Mapping
from dataclasses import field
from urllib.parse import urlencode

from mmid.errors import CloudRefused, ConnectionLost, MalformedMessage
from mmid.frozen import frozen

# A text that repeats the whole reply so far grows with it: a mebibyte is a reply of hours.
_MESSAGE_LIMIT_BYTES = 1 << 20


@frozen
class Endpoint:
    """Where one connection goes, and by which rules.

    Attributes:
        url: the ``wss://`` address, with all that its query carries.
        shown: the address as messages tell it: without what must stay secret.
        headers: what the upgrade carries besides WebSocket's own.
        message_limit_bytes: the largest message that is taken.
        ping_s: how often a WebSocket ping asks whether the cloud lives; 0 for never.
    """

    url: str = field(repr=False)
    shown: str
    headers: Mapping[str, str] = field(repr=False)
    message_limit_bytes: int = _MESSAGE_LIMIT_BYTES
    ping_s: float = 0.0


def with_query(url: str, **members: str) -> str:
    """Return a URL with more members in its query."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(members)}"


def unforeseen(what: str, error: Exception) -> MalformedMessage:
    """Return what an exception that is not ours means, over something that the cloud sent.

    Only its kind is told: the text of it may quote what was received.
    """
    return MalformedMessage(f"{what} met a fault ({type(error).__name__})")


class CredentialRefused(CloudRefused):
    """The cloud answered the upgrade to WebSocket with 401 or 403.

    Args:
        shown: the address, as it may be told.
        status: the HTTP status.
    """

    def __init__(self, shown: str, status: int) -> None:
        super().__init__(
            f"{shown} refused the credential (HTTP {status})",
            str(status),
            advice="Check what the board proves itself with: its own key (license.api_key) if it "
            "has one, else what a relay or the license service gives it.",
        )


class LinkClosed(ConnectionLost):
    """The connection has ended; what that means, the dialect says.

    Attributes:
        close_code: the code of the cloud's close frame; None if the connection just broke.
        reason: what the cloud said about it; may be empty.
    """

    def __init__(self, close_code: int | None = None, reason: str = "") -> None:
        told = "the connection broke"
        if close_code is not None:
            told = f"the cloud closed the connection with {close_code}"
        super().__init__(f"{told}: {reason}" if reason else told)
        self.close_code = close_code
        self.reason = reason


class ClosedUnheard(LinkClosed):
    """The cloud took the connection and ended it without a word: it does not know what we are."""
