"""The D-Bus front, ``org.mmid1``: it translates, and decides nothing about dialogs."""

from mmid.deferred_imports import defer_import

# ``import dbus_next`` loads all of it, for asyncio and for GLib, and so does the import of any
# part; we need its messages. The rest is 0.9 MiB of the idle daemon, a twentieth of the bare
# loop's memory (the goal of 1.65 would be missed), and 5 to 8 ms of each start.
defer_import("dbus_next")

# Its modules import each other in a circle, which can be entered here only.
import dbus_next.errors  # noqa: E402, F401
