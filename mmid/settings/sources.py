"""Where settings come from: the environment, systemd credentials, TOML files.

Each source becomes a ``Layer``: what it sets, under a name that a message can
point at. Nothing is judged here but what cannot be read at all;
``mmid.settings.load`` validates the layers laid over each other.
"""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mmid.errors import SettingsInvalid
from mmid.frozen import frozen
from mmid.settings import Settings

DEFAULT_FILE = Path("/etc/mmid/mmid.toml")

# Table -> key -> value; a secret is its text.
Tables = dict[str, dict[str, Any]]

# The dataclass of each table, and with it the type of each key.
TABLES: dict[str, Any] = get_type_hints(Settings)

# systemd puts each into a file of this name in $CREDENTIALS_DIRECTORY.
CREDENTIALS = {
    "app_secret": ("license", "app_secret"),
    "api_key": ("license", "api_key"),
    "license_headers": ("license", "headers"),
    "storage_key": ("storage", "key"),
    "baidu_license_key": ("baidu", "license_key"),
}

# Where root's tools find them outside of the service: what the running service was given,
# else what it will be given (the names are those of mmid.service).
CREDENTIAL_FILES = ("/run/credentials/mmid.service/{}", "/etc/credstore/mmid.{}")

# What StateDirectory= of mmid.service is outside of it.
SERVICE_STATE = Path("/var/lib/mmid")

# All keys with their help are 10 KiB: a file of this size is something else.
_LONGEST_FILE_BYTES = 1 << 20


@frozen
class Layer:
    """What one source sets.

    Attributes:
        name: the file, variable or credential, as a message names it.
        tables: table -> key -> value, not validated.
    """

    name: str
    tables: dict[str, Any]

    def sets(self, table: str, key: str | None) -> bool:
        """Whether it has this key; with ``key`` None, whether it has this table."""
        return table in self.tables and (key is None or key in self.tables[table])


def read_layers(file: Path | None) -> list[Layer]:
    """Read all sources; an earlier layer wins over a later one.

    Args:
        file: the TOML file, which must exist; None is ``DEFAULT_FILE``, which need not.

    Raises:
        SettingsInvalid: a source cannot be read, or a file is not TOML.
    """
    path = file or DEFAULT_FILE
    layers = [*_environment(), *_credentials()]
    layers += [_toml(drop_in, _text(drop_in)) for drop_in in reversed(_drop_ins(path))]
    text = _text(path) if file else _text_if_there(path)
    if text is not None:
        layers.append(_toml(path, text))
    return layers


def state_directory(file: Path | None) -> Path | None:
    """Return where systemd lets the service keep things; None where nobody said.

    Args:
        file: what ``read_layers`` was given: a tool of root has the service's directory only
            for the service's settings.
    """
    if first := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(first)
    is_services = file is None and os.geteuid() == 0 and SERVICE_STATE.is_dir()
    return SERVICE_STATE if is_services else None


def _environment() -> Iterator[Layer]:
    """One layer for each ``MMID_<TABLE>__<KEY>``; other variables are not ours to judge."""
    for variable, text in sorted(os.environ.items()):
        prefix, _, key = variable.partition("__")
        table = prefix.removeprefix("MMID_").lower()
        if prefix.startswith("MMID_") and key and table in TABLES:
            key = key.lower()
            yield Layer(variable, {table: {key: _typed(table, key, text)}})


def _typed(table: str, key: str, text: str) -> Any:
    """The text as the type of its key; as it is, for the validation to refuse, if it is none."""
    hint = get_type_hints(TABLES[table]).get(key, str)
    kind = type(get_args(hint)[0]) if get_origin(hint) is Literal else hint
    if kind is bool:
        return {"true": True, "false": False}.get(text, text)
    try:
        return kind(text) if kind in (int, float) else text
    except ValueError:
        return text


def _credentials() -> Iterator[Layer]:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    for name, (table, key) in CREDENTIALS.items():
        path = Path(directory, name) if directory else _file_of_the_service(name)
        # A credential that systemd did not find has no file: each may be missing.
        text = None if path is None else _text_if_there(path)
        if text is not None:
            # The end of the file's one line; whatever else is in it is judged as it is.
            text = text.removesuffix("\n").removesuffix("\r")
            yield Layer(f"credential {name}", {table: {key: text}})


def _file_of_the_service(name: str) -> Path | None:
    """Where the service has it from; what the user of a tool may not read is not there."""
    paths = (Path(form.format(name)) for form in CREDENTIAL_FILES)
    return next((path for path in paths if os.access(path, os.R_OK)), None)


def _drop_ins(file: Path) -> list[Path]:
    """The files of ``FILE.d`` in the order in which a later one wins."""
    directory = file.with_name(f"{file.name}.d")
    try:
        found = sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SettingsInvalid(f"{directory}: cannot be read: {error.strerror}") from None
    return [path for path in found if path.suffix == ".toml" and not path.name.startswith(".")]


def _toml(path: Path, text: str) -> Layer:
    try:
        return Layer(str(path), _with_headers_as_text(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        last = text.count("\n") + 1
        place = str(error).replace("at end of document", f"at line {last}, the end of the file")
        raise SettingsInvalid(f"{path}: not TOML: {place}") from None
    except (RecursionError, ValueError):
        raise SettingsInvalid(f"{path}: nested too deeply, or a number too long") from None


def _with_headers_as_text(tables: dict[str, Any]) -> dict[str, Any]:
    """Return the tables with license.headers as lines, as the other sources have it."""
    table = tables.get("license")
    headers = table.get("headers") if isinstance(table, dict) else None
    if isinstance(headers, dict) and all(isinstance(value, str) for value in headers.values()):
        lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
        tables["license"]["headers"] = lines
    return tables


def _text(path: Path) -> str:
    text = _text_if_there(path)
    if text is None:
        raise SettingsInvalid(f"{path}: there is no such file")
    return text


def _text_if_there(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsInvalid(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > _LONGEST_FILE_BYTES:
        raise SettingsInvalid(f"{path}: longer than {_LONGEST_FILE_BYTES} bytes: not settings")
    try:
        return data.decode("utf-8-sig")  # editors of Windows begin a file with a BOM
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsInvalid(f"{path}: not UTF-8 text at line {line}") from None
