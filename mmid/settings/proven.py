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
gave, so a start that skips the judgement cannot end with other settings.
"""

import hashlib
import json
import os
import sys
import traceback
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


def load_proven(file: Path | None) -> Tables:
    """Read all sources and return plain tables with every key, judged if they changed.

    Args:
        file: the TOML file, which must exist; None is the default one, which need not.

    Raises:
        SettingsInvalid: the first problem, with how many more there are.
    """
    layers, directory = read_layers(file), state_directory()
    stamp = directory / _NAME if directory else None
    if stamp and _is_proven(stamp, layers):
        return _laid_over(layers)
    # Else pydantic looks through every package that is installed for plugins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
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
        kept = stamp.read_bytes()
    except OSError:
        return False
    salt = kept[:_SALT_BYTES]
    return kept == salt + _digest(salt, layers)


def _keep(stamp: Path, layers: list[Layer]) -> None:
    """Write the digest; where that cannot be done, or is cut short, the next start judges."""
    salt = os.urandom(_SALT_BYTES)
    new = stamp.with_name(f"{_NAME}.new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(salt + _digest(salt, layers))
        # Whole or not at all; it is not flushed, for a lost digest only costs a judgement.
        new.replace(stamp)
    except OSError:
        return


def main(file: Path | None) -> int:
    """Print the tables, or what is wrong; return the exit status."""
    try:
        tables = load_proven(file)
    except SettingsInvalid as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is the answer
        return 2
    except Exception as error:  # noqa: BLE001 - a library's own words may quote a secret
        place = traceback.extract_tb(error.__traceback__)[-1]
        kind = type(error).__name__
        sys.stderr.write(f"settings: {kind} at {place.filename}:{place.lineno}; please report it\n")
        return 1
    json.dump(tables, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else None))
