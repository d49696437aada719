"""Validate the settings; the only module that imports pydantic.

It is imported in a short-lived process only (``mmid.settings.proven``), because the daemon
must not carry pydantic.

Precedence: environment, systemd credentials, ``FILE.d/*.toml`` (a later name
wins), ``FILE``, the defaults in ``mmid.settings``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from mmid.child import from_plain
from mmid.errors import SettingsInvalid
from mmid.regular_file import LONGEST_PEM_BYTES, require_regular_file
from mmid.secrets import MASK, Secret, redact
from mmid.session.clouds import CLOUDS, contradictions
from mmid.settings import Settings
from mmid.settings.option import URLS, is_url
from mmid.settings.sources import TABLES, Layer, Tables

_LARGEST_LIBRARY_BYTES = 64 << 20  # the vendor's has some hundred KiB
_LONGEST_VALUE = 60  # characters of a value that a message shows

# What a request is made of; another value would break it.
_OUR_HEADERS = {"connection", "content-length", "content-type", "host", "transfer-encoding"}


def judge(layers: list[Layer]) -> Tables:
    """Return plain tables with every key, of what the layers say one over the other.

    Raises:
        SettingsInvalid: the first problem, with how many more there are.
    """
    problems = list(_no_tables(layers))
    if not problems:
        try:  # pydantic's own text shows values: nothing of it leaves this function
            tables: Tables = _model(layers)().model_dump()
        except ValidationError as error:
            problems = [_problem(found, layers) for found in error.errors(include_url=False)]
        else:
            problems = list(_contradictions(tables, layers))
    if problems:
        more = len(problems) - 1
        count = f" (and {more} more problem{'s' if more > 1 else ''})" if more else ""
        raise SettingsInvalid(redact(" ".join(f"{problems[0]}{count}".splitlines())))
    return tables


# --- the models, made from the dataclasses --------------------------------------------------


class _Table(BaseModel):
    """What all tables have in common: no other keys, and no guessing of types."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class _LayerSource(PydanticBaseSettingsSource):
    """One layer, as pydantic-settings wants it."""

    def __init__(self, settings_class: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_class)
        self._layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._layer.tables.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._layer.tables


def _model(layers: list[Layer]) -> type[BaseSettings]:
    """The settings model that reads these layers, the first one winning."""

    class LayeredSettings(BaseSettings):
        model_config = SettingsConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_LayerSource(settings_cls, layer) for layer in layers)

    tables: dict[str, Any] = {}
    for name, kind in TABLES.items():
        model = _table_model(kind)
        tables[name] = (model, pydantic.Field(default_factory=model))
    return create_model("SettingsModel", __base__=LayeredSettings, **tables)


def _table_model(kind: Any) -> type[BaseModel]:
    keys: dict[str, Any] = {}
    for key in fields(kind):
        hint, default = get_type_hints(kind)[key.name], key.default
        if isinstance(default, Secret):
            # Plain text in this process only: SecretStr knows no patterns.
            hint, default = str, default.reveal()
        if key.metadata["limits"].get("pattern") in URLS:
            hint = Annotated[str, AfterValidator(_url)]
        keys[key.name] = (hint, pydantic.Field(default, **key.metadata["limits"]))
    return create_model(kind.__name__, __base__=_Table, **keys)


def _url(text: str) -> str:
    if not is_url(text):
        raise ValueError("a URL that nobody could connect to")
    return text


# --- what is wrong, in words ----------------------------------------------------------------


def _no_tables(layers: list[Layer]) -> Iterator[str]:
    """What is a value and must be a table: laid under a table, pydantic never sees it."""
    for layer in layers:
        for name, values in layer.tables.items():
            if name in TABLES and not isinstance(values, dict):
                yield f"{layer.name}: [{name}]: must be a table"


def _problem(found: Mapping[str, Any], layers: list[Layer]) -> str:
    """One line for one finding of pydantic."""
    table, key = (*found["loc"], None)[:2]
    layer = next(layer for layer in layers if layer.sets(table, key))
    if key is None:
        return f"{layer.name}: [{table}]: {_unknown(table, TABLES, 'table')}"
    if found["type"] == "extra_forbidden":
        keys = [known.name for known in fields(TABLES[table])]
        why = getattr(TABLES[table], "elsewhere", {}).get(key) or _unknown(key, keys, "key")
        return f"{layer.name}: {table}.{key}: {why}"
    value = _shown(table, key, layer.tables[table][key])
    return f"{layer.name}: {table}.{key} = {value}: must be {allowed(table, key)}"


def _unknown(name: str, known: Iterable[str], what: str) -> str:
    import difflib  # noqa: PLC0415 - for who wrote something wrong

    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
    return f"unknown {what}; {hint}"


def _shown(table: str, key: str, value: Any) -> str:
    """The value as TOML would write it, short, and masked if it is a secret."""
    if get_type_hints(TABLES[table])[key] is Secret:
        return MASK
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    # What it hides is hidden before the text is cut: the half of a password is one, too.
    text = redact(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def allowed(table: str, key: str) -> str:
    """What a key's value may be, in words, as messages and mmid.toml(5) have it."""
    option: Field[Any] = next(field for field in fields(TABLES[table]) if field.name == key)
    hint, limits = get_type_hints(TABLES[table])[key], option.metadata["limits"]
    if (table, key) == ("cloud", "protocol"):
        return f"one of {', '.join(json.dumps(name) for name in CLOUDS)}"
    if get_origin(hint) is Literal:
        return f"one of {', '.join(json.dumps(value) for value in get_args(hint))}"
    if hint is bool:
        return "true or false"
    if hint in (int, float):
        kind = "a whole number" if hint is int else "a number"
        return f"{kind} from {limits['ge']} to {limits['le']}"
    return option.metadata["form"] or f"text of at most {limits.get('max_length', 4096)} characters"


# --- what is wrong only together ------------------------------------------------------------


def _contradictions(tables: Tables, layers: list[Layer]) -> Iterator[str]:
    """What cannot work whatever happens later; a device without an identity yet can."""
    settings = from_plain(Settings, tables)
    try:
        found = list(contradictions(settings))
    except SettingsInvalid as error:  # there is no such cloud
        yield f"{_where(layers, 'cloud', 'protocol')}: {error}"
        return
    for one in found:
        yield f"{_where(layers, *one.key.split('.'))}: {one.key}: {one.why}"
    audio = settings.audio
    if audio.loopback_channel == audio.capture_channel:
        where = _where(layers, "audio", "echo_reference")
        yield f"{where}: audio.echo_reference: is the microphone's own channel, capture_channel"
    given = tables["license"]
    if given["client_key"] and not given["client_cert"]:
        where = _where(layers, "license", "client_key")
        yield f"{where}: license.client_key: needs license.client_cert, the key's certificate"
    yield from _strange_headers(given["headers"], layers)
    files = {
        ("cloud", "ca_file"): (tables["cloud"]["ca_file"], LONGEST_PEM_BYTES),
        ("license", "client_cert"): (given["client_cert"], LONGEST_PEM_BYTES),
        ("license", "client_key"): (given["client_key"], LONGEST_PEM_BYTES),
        ("license", "codec"): (given["codec"].partition("vendor:")[2], _LARGEST_LIBRARY_BYTES),
    }
    for (table, key), (path, longest_bytes) in files.items():
        if path:
            where = _where(layers, table, key)
            yield from _unreadable(f"{table}.{key}", path, longest_bytes, where)


def _strange_headers(headers: str, layers: list[Layer]) -> Iterator[str]:
    for line in headers.splitlines():
        name = line.partition(":")[0]
        if name.lower() in _OUR_HEADERS:
            where = _where(layers, "license", "headers")
            yield f"{where}: license.headers: {name} is set by mmid itself"


def _unreadable(name: str, path: str, longest_bytes: int, where: str) -> Iterator[str]:
    try:
        require_regular_file(path, longest_bytes)
        Path(path).open("rb").close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        yield f"{where}: {name} = {json.dumps(path)}: cannot be read: {reason}"


def _where(layers: list[Layer], table: str, key: str) -> str:
    return next((layer.name for layer in layers if layer.sets(table, key)), "the defaults")
