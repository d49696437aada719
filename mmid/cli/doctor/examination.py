"""The order of the doctor's checks: a later one stands on the earlier ones."""

from collections.abc import Callable, Iterator
from pathlib import Path

from mmid.cli.doctor.apart import apart, tried
from mmid.cli.doctor.as_daemon import as_daemon
from mmid.cli.doctor.exposure import check_files
from mmid.cli.doctor.finding import Finding, failed, fine, skipped
from mmid.cli.doctor.machine import Installation
from mmid.errors import SettingsInvalid
from mmid.settings import Settings
from mmid.settings.loading import fork_loading
from mmid.settings.sources import DEFAULT_FILE

# How each check is made, and the module that it is in.
_STANDING_ON_SETTINGS: dict[str, tuple[Callable[..., list[Finding]], str]] = {
    "record": (tried, "record"),
    "clock": (apart, "board"),
    "trust": (apart, "network"),
    "names": (apart, "network"),
    "tls": (apart, "network"),
    "capture": (as_daemon, "board"),
    "playback": (as_daemon, "board"),
    "codecs": (apart, "board"),
    "mixer": (as_daemon, "board"),
}


def examine(config: Path | None, bus: str, machine: Installation) -> Iterator[Finding]:
    """Yield what each check finds, as soon as it is known.

    It forks, so this process must have no other thread.

    Args:
        config: the settings file; None for the default one.
        bus: where mmid is on D-Bus: ``system``, ``session`` or an address.
        machine: where this machine keeps its accounts and units.
    """
    settings, finding = _check_settings(config)
    yield finding
    if settings is None:
        for name in ("files", *_STANDING_ON_SETTINGS):
            yield skipped(name, "the settings cannot be read")
    else:
        yield from check_files(config, settings)
        for name, (make, module) in _STANDING_ON_SETTINGS.items():
            yield from make(name, module, settings)
    yield from tried("access", "machine", machine, bus)
    yield from tried("unit", "machine", machine)
    found = apart("daemon", "daemon", bus, settings.dbus.bus if settings else "")
    yield from found
    if settings is None:
        yield skipped("workspace", "the settings cannot be read")
    else:
        yield from tried("workspace", "record", settings, found[-1])


def _check_settings(config: Path | None) -> tuple[Settings | None, Finding]:
    try:
        settings = fork_loading(config).finish()
    except SettingsInvalid as error:
        return None, failed("settings", str(error), error.remedy)
    file = config or DEFAULT_FILE
    return settings, fine(
        "settings", f"{file} is valid" if file.exists() else f"no {file}: defaults"
    )
