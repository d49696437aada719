"""What the daemon itself says: that it runs, its license, its link."""

from datetime import UTC, datetime
from typing import Any

from mmid import __version__
from mmid.cli.doctor.finding import Finding, failed, fine, skipped, warned
from mmid.cli.mmictl.exit import outcome
from mmid.cli.mmictl.status import echo_text
from mmid.dbus.client import Client
from mmid.dbus.failures import CallFailed
from mmid.dbus.interface import AUDIO, DEVICE, DIALOG, TOOLS
from mmid.errors import TABLE, BusFailed, MmidError, NotProvisioned, NotRegistered

_SEE_JOURNAL = "journalctl -u mmid tells what mmid knows of it."
_INTERFACES = (DIALOG, DEVICE, TOOLS, AUDIO)
_REGISTERED = {"registered", "authorized"}

# Errors that keep nobody from connecting.
_ELSEWHERE = {
    "audio-device",
    "audio-format",
    "busy",
    "network-slow",
    "not-talking",
    "storage",
    "tool",
}


async def check_daemon(bus: str, configured: str = "") -> list[Finding]:
    """Ask the daemon; return what is found of it, its license, an echo canceller, its dialog.

    Args:
        bus: where to ask.
        configured: where the settings put mmid; empty if they cannot be read.
    """
    try:
        async with await Client.connect(bus, start=False) as client:
            device, dialog = await client.get_all(DEVICE), await client.get_all(DIALOG)
            echo = await client.get(AUDIO, "EchoCancellation")
        license_ = _license(device, dialog["LastError"])
        return [_daemon(device), license_, *([_echo(echo)] if echo else []), _link(dialog)]
    except (BusFailed, CallFailed) as error:
        _, text, advice = outcome(error)
        daemon = failed("daemon", text, advice or _SEE_JOURNAL)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        text = f"what answers does not speak as this mmictl does: {error!r}"
        daemon = failed("daemon", text, "If mmid was upgraded: systemctl restart mmid.")
    if configured and configured != bus:
        text = f"{daemon.text}; {bus!r} was asked, but the settings put mmid on {configured!r}"
        daemon = failed("daemon", text, f"mmictl --bus {configured} asks there.")
    return [daemon, *(skipped(check, "only the daemon knows") for check in ("license", "dialog"))]


async def whole_story(bus: str) -> dict[str, Any]:
    """Return properties, black box and timeline by the name of a file, or why there are none."""
    try:
        async with await Client.connect(bus, start=False) as client:
            return {
                "status.json": {name: await client.get_all(name) for name in _INTERFACES},
                "history.json": await client.call(DEVICE, "GetHistory"),
                "timeline.json": await client.call(DIALOG, "GetTimeline"),
            }
    except MmidError as error:
        return {"status.json": {"problem": str(error)}}


def _daemon(device: dict[str, Any]) -> Finding:
    version = device["Version"]
    if version != __version__:
        text = f"mmid {version} runs, but {__version__} is installed"
        return warned("daemon", text, "systemctl restart mmid runs the new one.")
    return fine("daemon", f"mmid {version} answers")


def _license(device: dict[str, Any], last: dict[str, Any]) -> Finding:
    state, mode = device["LicenseState"], device["LicenseMode"]
    if state == "unprovisioned":
        if last and last["code"] == "not-provisioned":  # it names what is missing
            return failed("license", last["message"], last["remedy"])
        text = "something is missing that the device must know to be let in"
        by_license = f"{TABLE[NotProvisioned].remedy} "
        needs_no_license = mode in {"api-key", "temporary-key", "activation"}
        advice = f"{'' if needs_no_license else by_license}mmid check says what it has."
        return failed("license", text, advice)
    if error := device["LicenseError"]:
        meaning, _, advice = error["message"].partition(". ")
        judge = failed if state == "refused" else warned
        # A number is the service's; a word is ours, such as for an answer that cannot be opened.
        how = "refused with " if error["code"].isdigit() else ""
        return judge("license", f"{how}{error['code']}: {meaning}", advice or error["remedy"])
    if state == "refused":
        return failed("license", "refused, and mmid does not say why", _SEE_JOURNAL)
    if state not in _REGISTERED:
        return warned("license", "the device is not registered", TABLE[NotRegistered].remedy)
    expiry = device["TokenExpiry"]
    token = f", token until {_utc(expiry)}" if expiry else ""
    return fine("license", f"{mode}, {state}{token}")


def _echo(echo: dict[str, Any]) -> Finding:
    if echo["state"].startswith("muting"):
        return warned(
            "echo",
            echo_text(echo),
            "Nobody can break into a reply; mmid hal-test --echo measures (docs/duplex.md).",
        )
    return fine("echo", echo_text(echo))


def _utc(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, tz=UTC).isoformat(" ", "seconds")


def _link(dialog: dict[str, Any]) -> Finding:
    if dialog["Connected"]:
        return fine("dialog", f"connected, {dialog['State']}")
    last = dialog["LastError"]
    if last and last["code"] not in _ELSEWHERE:
        text = f"not connected: {dialog['State']}; the last error was {last['code']}"
        return warned("dialog", f"{text}: {last['message']}", last["remedy"] or _SEE_JOURNAL)
    return warned(
        "dialog",
        f"not connected: {dialog['State']}",
        "mmictl connect tries now; mmictl monitor shows what goes wrong.",
    )
