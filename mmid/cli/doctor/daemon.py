"""What the daemon itself says: that it runs, its license, its link."""

from datetime import UTC, datetime
from typing import Any

from mmid import __version__
from mmid.cli.doctor.finding import Finding, failed, fine, skipped, warned
from mmid.dbus.client import Client
from mmid.dbus.failures import ACCESS_DENIED, CallFailed
from mmid.dbus.interface import DEVICE, DIALOG
from mmid.errors import TABLE, BusFailed, NotProvisioned, NotRegistered

_SEE_JOURNAL = "journalctl -u mmid names the code and what to do about it."
_REGISTERED = {"registered", "authorized"}


async def check_daemon(bus: str, configured: str = "") -> list[Finding]:
    """Ask the daemon; return what is found of it, of its license and of its dialog.

    Args:
        bus: where to ask.
        configured: where the settings put mmid; empty if they cannot be read.
    """
    try:
        async with await Client.connect(bus, start=False) as client:
            device, dialog = await client.get_all(DEVICE), await client.get_all(DIALOG)
        return [_daemon(device), _license(device), _link(dialog)]
    except BusFailed as error:
        daemon = failed("daemon", str(error), TABLE[BusFailed].remedy)
    except CallFailed as error:
        daemon = _no_answer(error)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        text = f"what answers does not speak as this mmictl does: {error!r}"
        daemon = failed("daemon", text, "If mmid was upgraded: systemctl restart mmid.")
    if configured and configured != bus:
        text = f"{daemon.text}; {bus!r} was asked, but the settings put mmid on {configured!r}"
        daemon = failed("daemon", text, f"mmictl --bus {configured} asks there.")
    return [daemon, *(skipped(check, "only the daemon knows") for check in ("license", "dialog"))]


def _no_answer(error: CallFailed) -> Finding:
    if error.name == ACCESS_DENIED:
        remedy = "Run it as root, or join the group mmid (adduser NAME mmid)."
        return failed("daemon", "the bus does not let this user call mmid", remedy)
    return failed(
        "daemon",
        f"mmid does not answer: {error}",
        "systemctl start mmid; systemctl status mmid and journalctl -u mmid say why it is down.",
    )


def _daemon(device: dict[str, Any]) -> Finding:
    version = device["Version"]
    if version != __version__:
        text = f"mmid {version} runs, but {__version__} is installed"
        return warned("daemon", text, "systemctl restart mmid runs the new one.")
    return fine("daemon", f"mmid {version} answers")


def _license(device: dict[str, Any]) -> Finding:
    state, mode = device["LicenseState"], device["LicenseMode"]
    if state == "unprovisioned":
        return failed("license", "the device has no identity", TABLE[NotProvisioned].remedy)
    if error := device["LicenseError"]:
        meaning, _, advice = error["message"].partition(". ")
        judge = failed if state == "refused" else warned
        return judge(
            "license", f"refused with {error['code']}: {meaning}", advice or error["remedy"]
        )
    if state == "refused":
        return failed("license", "the license service refused this device for good", _SEE_JOURNAL)
    if state not in _REGISTERED:
        return warned("license", "the device is not registered", TABLE[NotRegistered].remedy)
    expiry = device["TokenExpiry"]
    token = f", token until {_utc(expiry)}" if expiry else ""
    return fine("license", f"{mode}, {state}{token}")


def _utc(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, tz=UTC).isoformat(" ", "seconds")


def _link(dialog: dict[str, Any]) -> Finding:
    if dialog["Connected"]:
        return fine("dialog", f"connected, {dialog['State']}")
    return warned(
        "dialog",
        f"not connected: {dialog['State']}",
        "mmictl connect tries now; mmictl monitor shows what goes wrong.",
    )
