"""The D-Bus front, ``org.mmid1``: it translates, and decides nothing about dialogs."""

from mmid.service.deferred_imports import defer_import

# The package imports all of itself, for asyncio and for GLib; its messages are all we need.
defer_import("dbus_next")

# Its modules import each other in a circle, which can be entered here only.
import dbus_next.errors  # noqa: E402, F401
