"""Which files that mmid stands on are open to whom they should not be.

``mmid check`` and the doctor tell it, in a line each; ``mmid storage show`` of the record.
Root and the daemon's user are trusted with all of them. The members of the group mmid are
not: they are the programs that may call mmid.
"""

import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmid.cli.doctor.finding import Finding, fine, warned
from mmid.errors import SettingsInvalid
from mmid.hal_linux.storage import paths_of
from mmid.settings import Settings
from mmid.settings.sources import CREDENTIALS, read_layers

_CREDSTORE = Path("/etc/credstore")

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check_files(config: Path | None, settings: Settings) -> list[Finding]:
    """Return a warning for each file that is open, or that there is none."""
    return list(exposures(config, settings)) or [
        fine("files", "settings, keys and record are open to nobody else")
    ]


def exposures(config: Path | None, settings: Settings) -> Iterator[Finding]:
    """Yield what is open of settings, credentials, key, authorities and record.

    Args:
        config: the settings file; None for the default one.
        settings: what was read from it.
    """
    with suppress(SettingsInvalid):  # a file that has just gone
        for layer in read_layers(config):
            yield from _settings_file(Path(layer.name), layer.tables)
    for path in sorted(_CREDSTORE.glob("mmid.*")):
        yield from _secret(path, "root")
    if settings.license.client_key:
        yield from _secret(Path(settings.license.client_key), "mmid")
    for trusted in (settings.cloud.ca_file, settings.license.client_cert):
        facts = _facts(Path(trusted)) if trusted else None
        if facts and facts.st_mode & _OTHERS_WRITE:
            text = f"{trusted} decides whom mmid trusts, and others may write it"
            yield warned("files", f"{text} ({_access(facts)})", f"chmod go-w {trusted}")
    yield from record_exposures(settings.storage.target)


def record_exposures(target: str) -> Iterator[Finding]:
    """Yield what others may read or write of the medium that the device record is on."""
    for path in paths_of(target):
        yield from _secret(Path(path), "mmid")


def _settings_file(path: Path, tables: dict[str, Any]) -> Iterator[Finding]:
    facts = _facts(path)
    if facts is None:
        return  # no file: a variable, or a credential
    if facts.st_mode & _OTHERS_WRITE or facts.st_uid not in (0, os.geteuid()):
        yield warned(
            "files",
            f"{path} is not root's alone to write ({_access(facts)}), and root's tools act on it",
            f"chown root:mmid {path}; chmod 640 {path}",
        )
    if not facts.st_mode & _OTHERS_READ:
        return
    who = "everybody" if facts.st_mode & stat.S_IROTH else f"the group {_group(facts.st_gid)}"
    for credential, (table, key) in CREDENTIALS.items():
        if tables.get(table, {}).get(key):
            yield warned(
                "files",
                f"{path} holds {table}.{key}, and {who} may read it ({_access(facts)})",
                f"Move it to {_CREDSTORE}/mmid.{credential}, mode 0600 of root.",
            )


def _secret(path: Path, owner: str) -> Iterator[Finding]:
    facts = _facts(path)
    if facts and facts.st_mode & _OTHERS:
        yield warned(
            "files",
            f"{path} holds secrets, and is open to others than its owner ({_access(facts)})",
            f"chown {owner}:root {path}; chmod 600 {path}",
        )


def _facts(path: Path) -> os.stat_result | None:
    """Return what the kernel knows of a file; None if there is none, or it is out of reach."""
    try:
        return path.stat()
    except OSError:
        return None


def _access(facts: os.stat_result) -> str:
    user = _name(lambda: pwd.getpwuid(facts.st_uid).pw_name, facts.st_uid)
    return f"{stat.S_IMODE(facts.st_mode):04o} {user}:{_group(facts.st_gid)}"


def _group(number: int) -> str:
    return _name(lambda: grp.getgrgid(number).gr_name, number)


def _name(look_up: Callable[[], str], number: int) -> str:
    try:
        return look_up()
    except KeyError:
        return str(number)
