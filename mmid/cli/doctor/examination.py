"""The order of the doctor's checks: a later one stands on the earlier ones."""

import inspect
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from mmid.cli.doctor.as_daemon import as_daemon
from mmid.cli.doctor.board import check_clock, check_codecs, check_record, check_workspace
from mmid.cli.doctor.daemon import check_daemon
from mmid.cli.doctor.exposure import check_files
from mmid.cli.doctor.finding import Finding, failed, fine, skipped
from mmid.cli.doctor.machine import Installation, check_access, check_unit
from mmid.cli.doctor.network import check_names, check_tls, check_trust
from mmid.errors import SettingsInvalid
from mmid.settings import Settings
from mmid.settings.loading import start_loading
from mmid.settings.sources import DEFAULT_FILE

_STANDING_ON_SETTINGS: dict[str, Callable[[Settings], Finding | Awaitable[Finding]]] = {
    "record": check_record,
    "clock": check_clock,
    "trust": check_trust,
    "names": check_names,
    "tls": check_tls,
    "capture": as_daemon("capture"),
    "playback": as_daemon("playback"),
    "codecs": check_codecs,
    "mixer": as_daemon("mixer"),
}


async def examine(config: Path | None, bus: str, machine: Installation) -> AsyncIterator[Finding]:
    """Yield what each check finds, as soon as it is known.

    Args:
        config: the settings file; None for the default one.
        bus: where mmid is on D-Bus: ``system``, ``session`` or an address.
        machine: where this machine keeps its accounts and units.
    """
    settings, finding = _check_settings(config)
    yield finding
    unread = [skipped("files", "the settings cannot be read")]
    for finding in unread if settings is None else check_files(config, settings):
        yield finding
    for name, check in _STANDING_ON_SETTINGS.items():
        if settings is None:
            yield skipped(name, "the settings cannot be read")
        else:
            yield await _tried(name, check, settings)
    yield await _tried("access", check_access, machine, bus)
    yield await _tried("unit", check_unit, machine)
    for finding in await check_daemon(bus, settings.dbus.bus if settings else ""):
        yield finding
    if settings is None:
        yield skipped("workspace", "the settings cannot be read")
    else:
        yield await _tried("workspace", check_workspace, settings, finding)


async def _tried(
    name: str, check: Callable[..., Finding | Awaitable[Finding]], *arguments: object
) -> Finding:
    """Return what a check finds; one that stumbles is a finding, too, and not the last one."""
    try:
        found = check(*arguments)
        return await found if inspect.isawaitable(found) else found
    except Exception as error:  # noqa: BLE001 - whoever needs a doctor needs the other checks
        # Not its text: a library's may quote what it was given, secrets among it.
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__} at {place.filename}:{place.lineno}"
        return failed(name, f"the check itself failed: {text}", "Please report it.")


def _check_settings(config: Path | None) -> tuple[Settings | None, Finding]:
    try:
        settings = start_loading(config).finish()
    except SettingsInvalid as error:
        return None, failed("settings", str(error), error.remedy)
    file = config or DEFAULT_FILE
    return settings, fine(
        "settings", f"{file} is valid" if file.exists() else f"no {file}: defaults"
    )
