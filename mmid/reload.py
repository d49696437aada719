"""The settings once more, while the daemon runs: SIGHUP, which ``systemctl reload`` sends.

What can change under a dialog without harm changes at once: the log's level.
Of any other key that is different now the journal says that it waits for a
restart, so nobody believes in a change that did not happen.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import fields

from mmid import sysd
from mmid.errors import SettingsInvalid
from mmid.settings import Settings
from mmid.settings.child import Loading

__all__ = ["Reload"]

_log = logging.getLogger(__name__)

_CHANGES_AT_ONCE = {"log.level"}


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

    async def run(self) -> None:
        """Read whenever asked to, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            sysd.notify(reloading=True)
            try:
                self._apply(await self._read())
            except SettingsInvalid as error:
                facts = {"MESSAGE_ID": error.facts.message_id, "MMID_CODE": error.code}
                _log.error("%s; the settings stay as they were", error, extra=facts)
            finally:
                sysd.notify(ready=True)

    async def _read(self) -> Settings:
        loading = self._start_loading()
        try:
            return await asyncio.to_thread(loading.finish)
        except asyncio.CancelledError:
            loading.abandon()
            raise

    def _apply(self, found: Settings) -> None:
        sysd.configure_logging(found.log.level)
        _log.info("the settings were read again; log.level is %s", found.log.level)
        if waiting := sorted(set(_differences(self._settings, found)) - _CHANGES_AT_ONCE):
            _log.warning("changed, but only a restart of mmid takes it up: %s", ", ".join(waiting))


def _differences(old: Settings, new: Settings) -> Iterator[str]:
    """Names of the keys that differ, such as ``cloud.ws_url``."""
    for table in fields(Settings):
        ours, theirs = getattr(old, table.name), getattr(new, table.name)
        for key in fields(ours):
            if getattr(ours, key.name) != getattr(theirs, key.name):
                yield f"{table.name}.{key.name}"
