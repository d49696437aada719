"""The script of the simulated clouds: what they say, how fast, and what goes wrong.

A scenario is a TOML file. Every key has a default; an unknown key is refused by
name. What all clouds understand, with the defaults:

    thinking_ms = 300      # from the end of the speech to the reply
    pace = 8.0             # reply audio, times real time; 0: as fast as the client reads
    pause_ms = 700         # silence that ends a speech where the cloud does this
    stray_audio = false    # send audio of no reply while thinking, as a real cloud was seen to
    stale_audio = false    # send audio of a reply after an interruption has cut it, twice

    [[turn]]               # the turns of a dialog, from the first again after the last
    transcript = "what is the weather like today"
    reply = "it is sunny and warm, a good day for a walk"
    spoken = true          # false: text only
    reply_wav = ""         # 16-bit mono, at the rate asked for; empty: a phrase of notes
    reply_s = 0.0          # length of the phrase of notes; 0: once
    commands = [{ name = "VOLUME_SET", params = [{ name = "series", normValue = "70" }] }]
    tool_calls = [{ name = "weather", arguments = { city = "Oslo" }, outputs = { sky = "clear" } }]

    [[fault]]              # module ``faults`` has all of them
    when = "SpeechAudio"
    nth = 1                # at which occurrence, counted over all connections
    times = 1              # at how many occurrences from then on
    do = "drop"

A table that has a cloud's name, in the file or in a ``[[turn]]``, is for that cloud
alone; the others do not look at it. ``vocabulary`` in the cloud's folder has its keys.
"""

import tomllib
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import cycle
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from mmid.bounded_read import read_named_file
from mmid.errors import SettingsInvalid
from mmid.simcloud.core.faults import Fault, FaultPlan, Vocabulary, check_faults

__all__ = ["Fault", "Scenario", "ScenarioRun", "ScriptedTurn", "load_scenario", "own_table"]

# Ten minutes: what is longer is a mistake, not a reply.
_LONGEST_REPLY_S = 600.0

_LONGEST_FILE_BYTES = 1 << 20

_Table = TypeVar("_Table")


@dataclass(frozen=True, slots=True)
class ScriptedTurn:
    """One turn: what the cloud understands, and what it answers."""

    transcript: str = "what is the weather like today"
    reply: str = "it is sunny and warm, a good day for a walk"
    spoken: bool = True
    reply_wav: str = ""
    reply_s: float = 0.0
    commands: tuple[Mapping[str, Any], ...] = ()
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    tables: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of a scenario file; ``tables`` are those of single clouds."""

    thinking_ms: int = 300
    pace: float = 8.0
    pause_ms: int = 700
    stray_audio: bool = False
    stale_audio: bool = False
    turns: tuple[ScriptedTurn, ...] = (ScriptedTurn(),)
    faults: tuple[Fault, ...] = ()
    tables: tuple[Any, ...] = ()


def own_table(script: Scenario | ScriptedTurn, kind: type[_Table]) -> _Table:
    """Return a cloud's own table of a script, or one with all defaults."""
    return next((table for table in script.tables if isinstance(table, kind)), kind())


@dataclass(slots=True)
class ScenarioRun:
    """A scenario while it is played: what the connections of one cloud share.

    Attributes:
        scenario: the script.
        vocabulary: what the cloud understands of it.
        voice: makes the samples of a turn's reply at a rate in Hz.
        new_id: makes a UUID.
        plan: which faults are due; counted over all connections.
        turns: the turns still to come, for ever.
    """

    scenario: Scenario
    vocabulary: Vocabulary
    voice: Callable[[ScriptedTurn, int], bytes]
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    plan: FaultPlan = field(init=False)
    turns: Iterator[ScriptedTurn] = field(init=False)

    def __post_init__(self) -> None:
        self.plan = FaultPlan(self.scenario.faults, self.vocabulary)
        self.turns = cycle(self.scenario.turns)


def load_scenario(path: Path, vocabularies: Mapping[str, Vocabulary]) -> Scenario:
    """Read a scenario file.

    Args:
        path: the file.
        vocabularies: what each cloud understands, by the cloud's name.

    Raises:
        SettingsInvalid: one line that names the file, the key and what is allowed.
    """
    try:
        tables = tomllib.loads(read_named_file(path, _LONGEST_FILE_BYTES).decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(f"{path}: {error}") from error
    try:
        scenario = _read(tables, path.parent, vocabularies)
        check_faults(scenario.faults, tuple(vocabularies.values()))
    except SettingsInvalid as error:
        raise SettingsInvalid(f"{path}: {error}") from error
    return scenario


def _read(tables: dict[str, Any], folder: Path, known: Mapping[str, Vocabulary]) -> Scenario:
    kinds = {name: words.table for name, words in known.items() if words.table}
    turn_kinds = {name: words.turn_table for name, words in known.items() if words.turn_table}
    own = _take_own(tables, kinds, "")
    listed = _list(tables.pop("turn", []), "turn")
    turns = tuple(_turn(table, folder, turn_kinds) for table in listed)
    faults = tuple(_fault(table) for table in _list(tables.pop("fault", []), "fault"))
    arguments = _read_table(Scenario, tables, "the file")
    return Scenario(**arguments, turns=turns or (ScriptedTurn(),), faults=faults, tables=own)


def _take_own(table: dict[str, Any], kinds: Mapping[str, type], where: str) -> tuple[Any, ...]:
    """Take the tables of single clouds out of a table, and return them read."""
    present = [name for name in kinds if name in table]
    return tuple(
        kinds[name](**_read_table(kinds[name], table.pop(name), f"{where}[{name}]"))
        for name in present
    )


def _read_table(kind: type, table: Any, where: str) -> dict[str, Any]:
    """Check a TOML table against the fields of a dataclass, and return it as arguments.

    Args:
        kind: the dataclass; its fields of tuples are not read here.
        table: what the file has.
        where: its name in the file, for the message.

    Raises:
        SettingsInvalid: it is no table, a key is unknown or a value has the wrong type.
    """
    if not isinstance(table, dict):
        raise SettingsInvalid(f"{where} must be a table")
    hints = get_type_hints(kind)
    known = {item.name for item in fields(kind) if get_origin(hints[item.name]) is not tuple}
    arguments = {}
    for key, value in table.items():
        if key not in known:
            raise SettingsInvalid(f"{where}: unknown key {key!r}")
        if hints[key] is float and type(value) is int:
            value = float(value)  # noqa: PLW2901 - TOML writes 60 for 60.0
        if not _fits(value, hints[key]):
            raise SettingsInvalid(f"{where}: {key} = {value!r} must be {_spell(hints[key])}")
        if isinstance(value, int | float) and value < 0:
            raise SettingsInvalid(f"{where}: {key} = {value} must not be negative")
        arguments[key] = value
    return arguments


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a value has the type of a field."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    return type(value) is (dict if get_origin(hint) else hint)


def _spell(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    return "a table" if get_origin(hint) else str(hint.__name__)


def _turn(table: Any, folder: Path, kinds: Mapping[str, type]) -> ScriptedTurn:
    if not isinstance(table, dict):
        raise SettingsInvalid("[[turn]] must be a table")
    own = _take_own(table, kinds, "[[turn]] ")
    commands = _named(table.pop("commands", []), "commands")
    tool_calls = _named(table.pop("tool_calls", []), "tool_calls")
    arguments = _read_table(ScriptedTurn, table, "[[turn]]")
    if arguments.get("reply_wav"):
        path = folder / arguments["reply_wav"]
        if not path.is_file():
            raise SettingsInvalid(f"[[turn]]: reply_wav = {path}: no such file")
        arguments["reply_wav"] = str(path)
    if arguments.get("reply_s", 0) > _LONGEST_REPLY_S:
        raise SettingsInvalid(f"[[turn]]: reply_s must be 0 to {_LONGEST_REPLY_S:g}")
    return ScriptedTurn(**arguments, commands=commands, tool_calls=tool_calls, tables=own)


def _named(tables: Any, key: str) -> tuple[Mapping[str, Any], ...]:
    for table in _list(tables, key):
        if not isinstance(table, dict) or not isinstance(table.get("name"), str):
            raise SettingsInvalid(f"[[turn]]: {key} must be tables with a name")
    return tuple(tables)


def _fault(table: Any) -> Fault:
    missing = {"when", "do"} - set(table if isinstance(table, dict) else ())
    if missing:
        raise SettingsInvalid(f"[[fault]]: {' and '.join(sorted(missing))} missing")
    return Fault(**_read_table(Fault, table, "[[fault]]"))


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise SettingsInvalid(f"{where} must be a list")
    return value
