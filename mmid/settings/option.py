"""How a key of the settings is declared, and the shapes that several keys have."""

from dataclasses import field
from enum import StrEnum
from functools import partial
from typing import Any


class TakesEffect(StrEnum):
    """When a changed value counts: ``mmid.service.reload`` and mmid.toml(5) go by it."""

    NOW = "now"
    CONNECTION = "connection"
    START = "start"


def _option(
    takes_effect: TakesEffect,
    default: Any,
    help: str,  # noqa: A002 - it is the help text
    *,
    form: str = "",
    **limits: Any,
) -> Any:
    """Declare one key.

    Args:
        takes_effect: when a value counts that was changed while mmid runs.
        default: the value when no source sets the key.
        help: what it does, as mmid.toml(5) prints it.
        form: what the value must look like, in words; it goes with ``pattern``.
        limits: ``ge``, ``le``, ``max_length`` or ``pattern``, as pydantic names them.
    """
    metadata = {"takes_effect": takes_effect, "help": help, "form": form, "limits": limits}
    return field(default=default, metadata=metadata)


# Each key is declared with one of these, so none can leave it open when it takes effect.
at_once = partial(_option, TakesEffect.NOW)
per_connection = partial(_option, TakesEffect.CONNECTION)
at_start = partial(_option, TakesEffect.START)


COORDINATES_OR_EMPTY = r"^(-?[0-9]{1,2}(\.[0-9]{1,8})?,-?[0-9]{1,3}(\.[0-9]{1,8})?)?$"
# Up to 65535: what parses a URL later raises for more.
_PORT = "([0-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
# How long a label may be is left to ``is_url``: "up to 63 of them", for each setting that is a
# URL, took more than a MiB of the process that judges.
_LABEL = r"[^\s/?#@:.\[\]]+"
_HOST = rf"(\[[0-9A-Fa-f:.]+\]|{_LABEL}(\.{_LABEL})*\.?)"
# What follows the scheme of a URL: a user if need be, a name or an address, a port, the rest.
_PLACE = rf"([^\s/?#]*@)?{_HOST}(:{_PORT})?([/?][^\s#]*)?"
WSS_OR_EMPTY = f"^(wss://{_PLACE})?$"
HTTPS = f"^https://{_PLACE}$"
# RFC 9110 section 5: a token, a colon, visible characters; a line each.
HEADERS = r"^((^|\n)[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ -~]*)*\n?$"
HTTPS_OR_EMPTY = f"^(https://{_PLACE})?$"
_LONGEST_LABEL = 63  # of a host's name, between two dots: RFC 1035 section 2.3.4
# The patterns of a URL. What one of them takes is checked by ``is_url``, too.
URLS = {WSS_OR_EMPTY, HTTPS, HTTPS_OR_EMPTY}
# What fits into a header and is no mistake of copying: no comment, blank or quote around it.
KEY = r"^[!#-&(-~]{0,256}$"
KEY_FORM = "one line of at most 256 printable ASCII characters without blanks and quotes"


def is_url(text: str) -> bool:
    """Whether a URL that one of the ``URLS`` takes has a host that one can connect to.

    The forms of IPv6 addresses and of names in other scripts are too many for a pattern that
    people can read.
    """
    from ipaddress import IPv6Address  # noqa: PLC0415 - the daemon's start does without
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        host = urlsplit(text).hostname or ""
        if ":" in host:
            IPv6Address(host)
        elif host.isascii():  # the codec judges likewise, but loads Unicode's tables
            *labels, last = map(len, host.split("."))  # the last one is empty behind a dot
            return min(labels, default=1) > 0 and max([*labels, last]) <= _LONGEST_LABEL
        else:
            host.encode("idna")
    except ValueError:
        return False
    return True
