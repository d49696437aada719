"""The settings once more, while the daemon runs: SIGHUP, which ``systemctl reload`` sends.

Each key says in its declaration when it takes effect (``mmid.settings.option``): at
once, with another connection, which goes on with the dialog, or at a start. Of a changed
key of the last kind the journal says that it waits for a restart, so nobody believes in
a change that did not happen.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from mmid.errors import SettingsInvalid
from mmid.service import sysd
from mmid.settings import Settings
from mmid.settings.loading import Loading
from mmid.settings.option import TakesEffect

_log = logging.getLogger(__name__)


class Reload:
    """Reads the settings again whenever asked to.

    Args:
        settings: what the daemon was started with, and runs with.
        start_loading: starts to read the settings from where they came from.
    """

    def __init__(self, settings: Settings, start_loading: Callable[[], Loading]) -> None:
        self._settings = settings
        self._start_loading = start_loading
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have the settings read again; whatever is asked meanwhile is one more time."""
        self._asked.set()

    async def run(self, use: Callable[[Settings], None]) -> None:
        """Read whenever asked to, until cancelled.

        Args:
            use: has the dialog go on with other settings, over another connection.
        """
        while True:
            await self._asked.wait()
            self._asked.clear()
            # systemd shows the service as reloading until it hears READY again.
            sysd.notify(reloading=True)
            try:
                self._apply(await self._start_loading().finished(), use)
            except SettingsInvalid as error:
                told = "%s; the settings stay as they were"
                _log.error(told, error, extra=error.journal_fields)
            # Not if this was cancelled: whoever stops has told so, and is ready no more.
            sysd.notify(ready=True)

    def _apply(self, found: Settings, use: Callable[[Settings], None]) -> None:
        # log.level is the one key that takes effect at once.
        sysd.configure_logging(found.log.level)
        _log.info("the settings were read again; log.level is %s", found.log.level)
        self._settings, changed = _taken_up(self._settings, found)
        if connection := changed[TakesEffect.CONNECTION]:
            _log.info("changed, with another connection: %s", ", ".join(connection))
            use(self._settings)
        # What runs stays whole: a key that waits for the start keeps its old value till then.
        if waiting := changed[TakesEffect.START]:
            _log.warning("changed, but only a restart of mmid takes it up: %s", ", ".join(waiting))


def _taken_up(old: Settings, new: Settings) -> tuple[Settings, dict[TakesEffect, list[str]]]:
    """Take up what need not wait for a start.

    With another cloud or license mode all of it waits for a start, which alone takes up these two:
    the other keys are meant for the new cloud or mode.

    Returns:
        The old settings with those keys as in the new ones; and the names of all keys that
        differ, such as ``cloud.ws_url``, by when they take effect.
    """
    meant_for = [(one.cloud.protocol, one.license.mode) for one in (old, new)]
    other_cloud = meant_for[0] != meant_for[1]
    tables: dict[str, Any] = {}
    changed: dict[TakesEffect, list[str]] = {when: [] for when in TakesEffect}
    for table in fields(Settings):
        ours, theirs = getattr(old, table.name), getattr(new, table.name)
        taken: dict[str, Any] = {}
        for key in fields(ours):
            value, when = getattr(theirs, key.name), key.metadata["takes_effect"]
            if when is TakesEffect.CONNECTION and other_cloud:
                when = TakesEffect.START
            if value != getattr(ours, key.name):
                changed[when].append(f"{table.name}.{key.name}")
                if when is not TakesEffect.START:
                    taken[key.name] = value
        tables[table.name] = replace(ours, **taken)
    return Settings(**tables), changed
