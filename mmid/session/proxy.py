"""The way to a server: which proxy the environment names, and when the next address is tried.

The variables have no standard. What is taken here is what curl, wget and Python take between
them: lower case goes before upper case, a value without a scheme is an HTTP proxy, a user may
have no password, and ``no_proxy`` lists hosts, domains, addresses and networks.
"""

import os
from collections.abc import Mapping
from dataclasses import field
from urllib.parse import quote, unquote, urlsplit

from mmid.errors import SettingsInvalid
from mmid.frozen import frozen

# A name may have an address that nobody answers at, such as IPv6 without a route. The next one
# is tried beside it after so long (RFC 8305 section 5); whichever answers first is taken.
NEXT_ADDRESS_S = 0.25

# What names the proxy for an address, the first one that is set.
_VARIABLES = {
    "wss": ("wss_proxy", "socks_proxy", "https_proxy"),
    "https": ("https_proxy",),
}
_PORTS = {
    "http": 80,
    "https": 443,
    "socks4": 1080,
    "socks4a": 1080,
    "socks5": 1080,
    "socks5h": 1080,
}

# What stands for itself in a user and a password before the last ``@``, and that is all but what
# ends a URL's host or begins another part of it (``/?#[]``), ``%``, controls and other than ASCII.
_PLAIN = " !\"$&'()*+,;<=>@\\^`{|}"


@frozen
class Proxy:
    """One proxy.

    Attributes:
        variable: what of the environment names it.
        scheme: ``http``, ``https``, or a SOCKS version.
        host: its name or address, an IPv6 address without brackets.
        port: its port.
        user: whom it shall take us for, or empty.
        password: may be empty although there is a user.
    """

    variable: str
    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """The address for messages: without user and password."""
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}"

    @property
    def url(self) -> str:
        """The address with user and password, both there or neither, as libraries take it."""
        if not self.user:
            return self.shown
        # No more is escaped than must be: websockets before 16 takes the escapes for the password.
        user = f"{quote(self.user, safe=_PLAIN)}:{quote(self.password, safe=_PLAIN + ':')}"
        return f"{self.scheme}://{user}@{_bracketed(self.host)}:{self.port}"


def proxy_for(url: str, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """Return the proxy on the way to an address, or None.

    Args:
        url: ``wss://`` or ``https://``.
        environment: the variables; None for those of this process.

    Raises:
        SettingsInvalid: what is set cannot be used; the text has no secret of it.
    """
    parts = urlsplit(url)
    environment = os.environ if environment is None else environment
    for variable in _VARIABLES[parts.scheme]:
        value = _value(environment, variable)
        if value and not _is_excepted(parts.hostname or "", parts.port, environment):
            proxy = _parse(variable, value)
            if parts.scheme == "https" and proxy.scheme != "http":
                raise SettingsInvalid(
                    f"{variable} of the environment is {proxy.shown}: the license service and "
                    "relays can be asked through an http:// proxy only",
                    advice="Name one as https_proxy; wss_proxy may name another for the dialog.",
                )
            return proxy
    return None


def _value(environment: Mapping[str, str], variable: str) -> str:
    """Return a variable; one in lower case counts even if it is empty."""
    return environment.get(variable, environment.get(variable.upper(), "")).strip()


def _parse(variable: str, value: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _unusable(variable, "it is no URL") from None
    if parts.scheme not in _PORTS:
        raise _unusable(variable, f"it must begin with one of {', '.join(_PORTS)} and ://")
    if not host or not value.isascii():
        raise _unusable(variable, "it names no host" if not host else "it is not all ASCII")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise _unusable(variable, "a proxy has no path")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Proxy(variable, parts.scheme, host, port or _PORTS[parts.scheme], user, password)


def _unusable(variable: str, why: str) -> SettingsInvalid:
    return SettingsInvalid(
        f"{variable} of the environment cannot be used: {why}",
        advice="Correct it where mmid's environment is set, such as systemctl edit mmid: the "
        "settings have no key for it.",
    )


def _is_excepted(host: str, port: int | None, environment: Mapping[str, str]) -> bool:
    """Whether ``no_proxy`` names a host."""
    listed = _value(environment, "no_proxy").replace(",", " ").split()
    host = host.lower().rstrip(".")  # the dot after a whole name says no more than that
    return any(_names(entry.lower().rstrip("."), host, port or 443) for entry in listed)


def _names(entry: str, host: str, port: int) -> bool:
    if entry in {"*", host, f"{_bracketed(host)}:{port}", _bracketed(host)}:
        return True
    # The domains of an address, such as 2.3 for 10.1.2.3, are none.
    if "/" in entry or ":" in host or not host.strip("0123456789."):
        return _holds(entry, host)
    domain = entry.removesuffix(f":{port}").removeprefix("*").lstrip(".")
    return bool(domain) and f".{host}".endswith(f".{domain}")


def _holds(network: str, host: str) -> bool:
    """Whether an address is in a network, such as ``10.0.0.0/8``; a name is in none."""
    from ipaddress import ip_address, ip_network  # noqa: PLC0415 - few lists have a network

    try:
        return ip_address(host) in ip_network(network.strip("[]"), strict=False)
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
