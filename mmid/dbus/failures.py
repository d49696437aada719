"""A call on the message bus that is answered with an error."""

from mmid.dbus.interface import STANDARD_ERRORS
from mmid.errors import Facts, MmidError

ACCESS_DENIED = STANDARD_ERRORS + "AccessDenied"
LIMITS_EXCEEDED = STANDARD_ERRORS + "LimitsExceeded"
NO_REPLY = STANDARD_ERRORS + "NoReply"


class CallFailed(MmidError):
    """A call is answered with this D-Bus error: raised to answer so, and where it arrives.

    Args:
        name: the D-Bus error's name, such as ``org.freedesktop.DBus.Error.AccessDenied``.
        text: what it says.
    """

    # What the error means is another's to say, so it has no row in the table.
    facts = Facts(
        "NotReady",
        "call-failed",
        70,
        "ef0a6266fcd6483193603371a544f8ac",
        "Read the error's name and text; they are the called program's own.",
    )

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def standard(word: str, text: str) -> CallFailed:
    """Return one of the standard D-Bus errors, such as ``UnknownMethod``."""
    return CallFailed(STANDARD_ERRORS + word, text)
