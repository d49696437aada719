"""Where a message bus is: from a setting to the socket's name.

Only ``unix:`` transports: D-Bus over TCP has no encryption and no proof of who
calls, and what people say would travel on it.
"""

import os
from collections.abc import Mapping
from urllib.parse import unquote

from mmid.errors import BusFailed

__all__ = ["socket_names"]

_SYSTEM = "unix:path=/run/dbus/system_bus_socket"


def socket_names(where: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the socket names to try, in order.

    Args:
        where: ``system``, ``session``, or a D-Bus address.
        environment: where the D-Bus specification's own variables are looked
            up; by default the process's.

    Raises:
        BusFailed: the address has no meaning here.
    """
    address = _address(where, os.environ if environment is None else environment)
    return [_socket_name(part) for part in address.split(";") if part]


def _address(where: str, environment: Mapping[str, str]) -> str:
    if where == "system":
        return environment.get("DBUS_SYSTEM_BUS_ADDRESS") or _SYSTEM
    if where == "session":
        address = environment.get("DBUS_SESSION_BUS_ADDRESS")
        runtime = environment.get("XDG_RUNTIME_DIR")
        if not address and runtime:
            address = f"unix:path={runtime}/bus"
        if not address:
            raise BusFailed(
                "there is no session bus: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR "
                "is set; name a bus by its address, such as unix:path=/run/x"
            )
        return address
    return where


def _socket_name(address: str) -> str:
    """Return the path of a unix socket, or its abstract name after a NUL."""
    transport, _, options = address.partition(":")
    if transport == "unix":
        for option in options.split(","):
            key, _, value = option.partition("=")
            if key in {"path", "abstract"} and value:
                return ("\0" if key == "abstract" else "") + unquote(value)
    raise BusFailed(
        f"bus address {address!r} is not one that mmid can use; "
        "it must be unix:path=... or unix:abstract=..."
    )
