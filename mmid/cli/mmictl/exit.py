"""How mmictl ends when something failed: its exit status, and what it says."""

from mmid.dbus.failures import ACCESS_DENIED, NO_REPLY, CallFailed
from mmid.dbus.interface import ERRORS, NAME, STANDARD_ERRORS
from mmid.errors import TABLE, BusFailed, Facts, MmidError

# The numbers are those of sysexits(3).
USAGE = 64
_UNAVAILABLE = 69
INTERNAL = 70
OUTPUT_FAILED = 74
_TRY_AGAIN = 75
_NOT_PERMITTED = 77

_NOT_RUNNING = {STANDARD_ERRORS + word for word in ("ServiceUnknown", "NameHasNoOwner")}
# What a bus says when it was to start mmid and could not, and what systemd told it then.
_NOT_STARTED = (
    STANDARD_ERRORS + "Spawn.",
    STANDARD_ERRORS + "TimedOut",
    "org.freedesktop.systemd1.",
)

_START_IT = "Start it: systemctl start mmid"
_NOT_ALLOWED = (
    "Only root and members of the group mmid may talk with mmid (as root: adduser NAME mmid; it "
    "counts from the next login on), and only root may reset the device."
)
_SEE_SYSTEMD = "systemctl status mmid says what it does, or why it does not run."


def outcome(error: MmidError) -> tuple[int, str, str]:
    """Return the exit status for this error, what is wrong, and what to do or an empty text."""
    if isinstance(error, CallFailed):
        return _call_failed(error)
    if isinstance(error, BusFailed) and isinstance(error.__cause__, PermissionError):
        return _NOT_PERMITTED, str(error), ""
    return error.facts.exit_code, str(error), error.remedy


def _call_failed(error: CallFailed) -> tuple[int, str, str]:
    facts = _facts(error.name)
    if facts is not None:
        return facts.exit_code, str(error), facts.remedy
    if error.name in _NOT_RUNNING:
        return _UNAVAILABLE, f"mmid is not running: {NAME} is not on this bus", _START_IT
    if error.name.startswith(_NOT_STARTED):
        text = f"mmid is not running and could not be started: {error}"
        return _UNAVAILABLE, text, _SEE_SYSTEMD
    if error.name == ACCESS_DENIED:
        return _NOT_PERMITTED, f"not permitted: {error}", _NOT_ALLOWED
    if error.name == NO_REPLY:
        return _TRY_AGAIN, str(error), _SEE_SYSTEMD
    return INTERNAL, f"{error.name}: {error}", ""


def _facts(name: str) -> Facts | None:
    """Return the first row of the table with this D-Bus name: the general one stands first."""
    return next((facts for facts in TABLE.values() if name == ERRORS + facts.dbus_name), None)
