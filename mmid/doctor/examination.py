"""The order of the doctor's checks: a later one stands on the earlier ones."""

from collections.abc import AsyncIterator
from pathlib import Path

from mmid.doctor.board import check_clock, check_mixer, check_record, check_sound
from mmid.doctor.finding import Finding, failed, fine, skipped
from mmid.doctor.gateway import check_gateway
from mmid.doctor.host import Host, check_access, check_unit
from mmid.doctor.network import check_names, check_tls
from mmid.errors import TABLE, SettingsInvalid
from mmid.settings import Settings
from mmid.settings.child import start_loading
from mmid.settings.sources import DEFAULT_FILE

__all__ = ["examine"]

_STANDING_ON_SETTINGS = ("record", "clock", "names", "tls", "sound", "mixer")


async def examine(config: Path | None, bus: str, host: Host) -> AsyncIterator[Finding]:
    """Yield what each check finds, as soon as it is known.

    Args:
        config: the settings file; None for the default one.
        bus: where mmid is on D-Bus: ``system``, ``session`` or an address.
        host: where this machine keeps its accounts and units.
    """
    settings, finding = _check_settings(config)
    yield finding
    if settings is None:
        for check in _STANDING_ON_SETTINGS:
            yield skipped(check, "the settings cannot be read")
    else:
        yield check_record(settings)
        yield check_clock(settings)
        names = await check_names(settings)
        yield names
        yield await check_tls(settings, names)
        for finding in check_sound(settings):
            yield finding
        yield check_mixer(settings)
    yield check_access(host, bus)
    yield check_unit(host)
    async for finding in check_gateway(bus):
        yield finding


def _check_settings(config: Path | None) -> tuple[Settings | None, Finding]:
    try:
        settings = start_loading(config).finish()
    except SettingsInvalid as error:
        return None, failed("settings", str(error), TABLE[SettingsInvalid].remedy)
    file = config or DEFAULT_FILE
    return settings, fine(
        "settings", f"{file} is valid" if file.exists() else f"no {file}: defaults"
    )
