"""The process that reads the settings; what was found good at the last start is not judged again.

Started by ``mmid.settings.loading``, as a program or in a fork, it prints plain tables as one JSON
object, or one line that says what is wrong, where, and what is allowed, to standard error
with exit status 2.

``mmid.settings.load`` needs pydantic, and pydantic takes longer to import than all
of the daemon. Nobody edits the settings between most starts. So the sources are read as
ever, and if their digest is the one of the last time that ``judge`` was content, they are
laid over the defaults without asking it.

The digest (salted, for there are secrets under it) is kept in the service's state
directory and written when the settings were changed; without such a directory
every start is judged. It is only kept if laying over gives exactly what ``judge``
gave, so a start that skips the judgement cannot end with other settings. ``mmid check``
writes it too, so that what was checked need not be judged beside the daemon any more.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from mmid import __version__
from mmid.child import to_plain
from mmid.deferred_imports import defer_import
from mmid.errors import SettingsInvalid
from mmid.settings import Settings
from mmid.settings.sources import Layer, Tables, read_layers, state_directory

_NAME = "settings.proven"
_SALT_BYTES = 16
_STAMP_BYTES = _SALT_BYTES + hashlib.sha256().digest_size


def load_proven(file: Path | None, *, anew: bool = False) -> Tables:
    """Read all sources and return plain tables with every key, judged if they changed.

    Args:
        file: the TOML file, which must exist; None is the default one, which need not.
        anew: judge them in any case, which also sees what lies outside of them, such as a
            certificate that is gone.

    Raises:
        SettingsInvalid: the first problem, with how many more there are.
    """
    layers, directory = read_layers(file), state_directory(file)
    stamp = directory / _NAME if directory else None
    if stamp and not anew and _is_proven(stamp, layers):
        return _laid_over(layers)
    # Else pydantic looks through every package that is installed for plugins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # And pydantic 2.10, Debian 13's, first judges what it made of our models: 4 MiB of 22.
    os.environ.setdefault("PYDANTIC_SKIP_VALIDATING_CORE_SCHEMAS", "1")
    # What it and pydantic-settings import and do not use here: a third of their import.
    defer_import("asyncio")
    defer_import("importlib.metadata", "entry_points", "version")
    defer_import("tempfile")
    defer_import("dotenv", "dotenv_values")
    from mmid.settings.load import judge  # noqa: PLC0415 - what is to be spared

    tables = judge(layers)
    # pydantic may turn a value into another, as 7 into 7.0: then it is asked each time.
    if stamp and _text(_laid_over(layers)) == _text(tables):
        _keep(stamp, layers)
    return tables


def _laid_over(layers: Iterable[Layer]) -> Tables:
    """The defaults with the layers over them, the first one on top."""
    tables: Tables = to_plain(Settings())
    for layer in reversed(list(layers)):
        for name, values in layer.tables.items():
            tables[name].update(values)
    return tables


def _text(tables: Tables) -> str:
    return json.dumps(tables, sort_keys=True)


def _digest(salt: bytes, layers: list[Layer]) -> bytes:
    """Every source with all that it says, in order; another mmid or Python judges anew."""
    sources = [(layer.name, layer.tables) for layer in layers]
    return hashlib.sha256(salt + repr((__version__, sys.version, sources)).encode()).digest()


def _is_proven(stamp: Path, layers: list[Layer]) -> bool:
    try:
        # Without waiting: root reads it too, and the daemon may make there what it likes.
        descriptor = os.open(stamp, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            kept = os.read(descriptor, _STAMP_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    salt = kept[:_SALT_BYTES]
    return kept == salt + _digest(salt, layers)


def _keep(stamp: Path, layers: list[Layer]) -> None:
    """Write the digest; where that cannot be done, or is cut short, the next start judges."""
    salt = os.urandom(_SALT_BYTES)
    new = stamp.with_name(f"{_NAME}.new")
    try:
        _become_owner(stamp.parent)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(salt + _digest(salt, layers))
        # Whole or not at all; it is not flushed, for a lost digest only costs a judgement.
        new.replace(stamp)
    except OSError:
        return


def _become_owner(directory: Path) -> None:
    """Give up root for good: the daemon must be able to replace what is written there.

    And root had better not write where somebody else may lay a link.
    """
    owner = directory.stat()
    if os.geteuid() == 0 != owner.st_uid:
        os.setgroups([])
        os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
        os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)


def main(file: Path | None, *, anew: bool = False) -> int:
    """Print the tables, or what is wrong; return the exit status."""
    try:
        tables = load_proven(file, anew=anew)
    except SettingsInvalid as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is the answer
        return 2
    except Exception as error:  # noqa: BLE001 - a library's own words may quote a secret
        import traceback  # noqa: PLC0415 - not for the settings that are read

        place = traceback.extract_tb(error.__traceback__)[-1]
        kind = type(error).__name__
        sys.stderr.write(f"settings: {kind} at {place.filename}:{place.lineno}; please report it\n")
        return 1
    json.dump(tables, sys.stdout)
    return 0


if __name__ == "__main__":
    _, how, *given = sys.argv  # what start_loading says
    sys.exit(main(Path(given[0]) if given else None, anew=how == "anew"))
