"""The settings once more, while the daemon runs: SIGHUP, which ``systemctl reload`` sends.

The log's level changes at once. What a connection is opened with changes with another
connection, which goes on with the dialog. Of any other key that is different now the
journal says that it waits for a restart, so nobody believes in a change that did not
happen.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

from mmid.errors import SettingsInvalid
from mmid.service import sysd
from mmid.settings import Settings
from mmid.settings.child import Loading

__all__ = ["Reload"]

_log = logging.getLogger(__name__)

_CHANGES_AT_ONCE = {"log.level"}
_CHANGES_WITH_THE_CONNECTION = {
    "cloud.connect_timeout_s",
    "cloud.model",
    "cloud.ws_url",
    "dialog.text_mode",
    "dialog.voice",
    "license.user_id",
    "log.wire",
}


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
            sysd.notify(reloading=True)
            try:
                self._apply(await self._read(), use)
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

    def _apply(self, found: Settings, use: Callable[[Settings], None]) -> None:
        sysd.configure_logging(found.log.level)
        _log.info("the settings were read again; log.level is %s", found.log.level)
        changed = set(_differences(self._settings, found))
        connection = changed & _CHANGES_WITH_THE_CONNECTION
        self._settings = _taken_up(self._settings, found, connection | _CHANGES_AT_ONCE)
        if connection:
            _log.info("changed, with another connection: %s", ", ".join(sorted(connection)))
            use(self._settings)
        if waiting := sorted(changed - connection - _CHANGES_AT_ONCE):
            _log.warning("changed, but only a restart of mmid takes it up: %s", ", ".join(waiting))


def _differences(old: Settings, new: Settings) -> Iterator[str]:
    """Names of the keys that differ, such as ``cloud.ws_url``."""
    for table in fields(Settings):
        ours, theirs = getattr(old, table.name), getattr(new, table.name)
        for key in fields(ours):
            if getattr(ours, key.name) != getattr(theirs, key.name):
                yield f"{table.name}.{key.name}"


def _taken_up(old: Settings, new: Settings, names: set[str]) -> Settings:
    """Return the old settings with some keys as in the new ones."""
    tables: dict[str, Any] = {}
    for name in names:
        table, _, key = name.partition(".")
        taken = tables.get(table, getattr(old, table))
        tables[table] = replace(taken, **{key: getattr(getattr(new, table), key)})
    return replace(old, **tables)
