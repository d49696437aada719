"""Names that the D-Bus specification gives: the bus itself, and what every service offers."""

__all__ = ["DBUS", "DBUS_PATH", "INTROSPECTABLE", "PEER", "PROPERTIES", "STANDARD_ERRORS"]

# The bus, as a destination and as the interface of its methods and signals.
DBUS = "org.freedesktop.DBus"
DBUS_PATH = "/org/freedesktop/DBus"

PEER = DBUS + ".Peer"
PROPERTIES = DBUS + ".Properties"
INTROSPECTABLE = DBUS + ".Introspectable"

STANDARD_ERRORS = DBUS + ".Error."
