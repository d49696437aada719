"""The script of a simulated cloud: what it says, how fast, and what goes wrong.

A scenario is a TOML file. Every key has a default; an unknown key is refused by
name. All of it, with the defaults:

    thinking_ms = 300      # from the end of the speech to the reply
    pace = 8.0             # reply audio, times real time; 0: as fast as the client reads
    pause_ms = 700         # silence that ends a speech in tap2talk and duplex
    idle_s = 60.0          # without a text frame to the client: ResponseTimeout
    audio_s = 20.0         # without audio where the work mode needs it: ClientAudioTimeout
    interrupts = 5         # RequestToSpeak and RequestToRespond in 2 s, more: TooManyInterrupt;
                           # 0: any number
    speech_ended = true    # send SpeechEnded, which the documents call optional
    after_cancel = "Listening"  # or "Idle": the state that CancelSpeech leads to
    stray_audio = false    # send audio of no reply while thinking, as the real cloud was seen to
    stale_audio = false    # send audio of a reply after RequestToSpeak has cut it, twice

    [[turn]]               # the turns of a dialog, from the first again after the last
    transcript = "what is the weather like today"
    reply = "it is sunny and warm, a good day for a walk"
    spoken = true          # false: text only; after Thinking comes Listening, never Responding
    reply_wav = ""         # 16-bit mono, at the rate asked for; empty: a phrase of notes
    reply_s = 0.0          # length of the phrase of notes; 0: once
    commands = [{ name = "VOLUME_SET", params = [{ name = "series", normValue = "70" }] }]
    commands_form = "string"  # JSON within JSON, as documented; or "array", as other pages have it
    tool_calls = [{ name = "weather", arguments = { city = "Oslo" }, outputs = { sky = "clear" } }]
    extra_info = {}        # further members of extra_info, sent as they are
    extra_in = "last"      # the text that extra_info rides on: the "last", or "every" one

    [[fault]]              # module ``faults`` has all of them
    when = "Listening"
    nth = 1                # at which occurrence, counted over all connections
    times = 1              # at how many occurrences from then on
    do = "drop"

    [license]              # the fields of license_service.LicenseFaults, such as
    drop_after = 1         # handle the first request, but lose the answer
    token_codes = ["200014"]  # refuse the next request for a token with this code

Scenarios that come with simcloud lie in ``scenarios/``; ``catalogue`` finds them by name.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mmid.errors import SettingsInvalid
from mmid.simcloud.core.faults import Fault
from mmid.simcloud.license.service import LicenseFaults

__all__ = ["Fault", "Scenario", "Turn", "load_scenario"]

# Ten minutes: what is longer is a mistake, not a reply.
_LONGEST_REPLY_S = 600.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: what the cloud understands, and what it answers."""

    transcript: str = "what is the weather like today"
    reply: str = "it is sunny and warm, a good day for a walk"
    spoken: bool = True
    reply_wav: str = ""
    reply_s: float = 0.0
    commands: tuple[Mapping[str, Any], ...] = ()
    commands_form: Literal["string", "array"] = "string"
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    extra_info: Mapping[str, Any] = field(default_factory=dict)
    extra_in: Literal["last", "every"] = "last"


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of a scenario file."""

    thinking_ms: int = 300
    pace: float = 8.0
    pause_ms: int = 700
    idle_s: float = 60.0
    audio_s: float = 20.0
    interrupts: int = 5
    speech_ended: bool = True
    after_cancel: Literal["Listening", "Idle"] = "Listening"
    stray_audio: bool = False
    stale_audio: bool = False
    turns: tuple[Turn, ...] = (Turn(),)
    faults: tuple[Fault, ...] = ()
    license: LicenseFaults = field(default_factory=LicenseFaults)


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        SettingsInvalid: one line that names the file, the key and what is allowed.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(f"{path}: {error}") from error
    try:
        return _read(tables, path.parent)
    except SettingsInvalid as error:
        raise SettingsInvalid(f"{path}: {error}") from error


def _read_table(kind: type, table: Any, where: str, **aliases: str) -> dict[str, Any]:
    """Check a TOML table against the fields of a dataclass, and return it as arguments.

    Args:
        kind: the dataclass.
        table: what the file has.
        where: its name in the file, for the message.
        aliases: keys of the file that go by another name than their field.

    Raises:
        SettingsInvalid: it is no table, a key is unknown or a value has the wrong type.
    """
    if not isinstance(table, dict):
        raise SettingsInvalid(f"{where} must be a table")
    hints = get_type_hints(kind)
    known = {item.name for item in fields(kind)}
    arguments = {}
    for key, value in table.items():
        name = aliases.get(key, key)
        if name not in known or key in aliases.values():
            raise SettingsInvalid(f"{where}: unknown key {key!r}")
        if hints[name] is float and type(value) is int:
            value = float(value)  # noqa: PLW2901 - TOML writes 60 for 60.0
        if not _fits(value, hints[name]):
            raise SettingsInvalid(f"{where}: {key} = {value!r} must be {_spell(hints[name])}")
        arguments[name] = value
    return arguments


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a value has the type of a field; deeper structures are checked elsewhere."""
    if hint in (str, int, float, bool):
        return type(value) is hint
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is list:
        return isinstance(value, list) and all(type(item) is get_args(hint)[0] for item in value)
    return True


def _spell(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    return str(hint) if get_origin(hint) else hint.__name__


def _read(tables: dict[str, Any], folder: Path) -> Scenario:
    arguments = _read_table(Scenario, tables, "the file", turn="turns", fault="faults")
    turns = [_turn(table, folder) for table in _list(arguments.pop("turns", []), "turn")]
    faults = [_fault(table) for table in _list(arguments.pop("faults", []), "fault")]
    for name in ("thinking_ms", "pace", "pause_ms", "idle_s", "audio_s", "interrupts"):
        if arguments.get(name, 0) < 0:
            raise SettingsInvalid(f"the file: {name} = {arguments[name]} must not be negative")
    license_table = _read_table(LicenseFaults, arguments.pop("license", {}), "[license]")
    arguments["license"] = LicenseFaults(**license_table)
    return Scenario(turns=tuple(turns) or (Turn(),), faults=tuple(faults), **arguments)


def _turn(table: Any, folder: Path) -> Turn:
    arguments = _read_table(Turn, table, "[[turn]]")
    if arguments.get("reply_wav"):
        path = folder / arguments["reply_wav"]
        if not path.is_file():
            raise SettingsInvalid(f"[[turn]]: reply_wav = {path}: no such file")
        arguments["reply_wav"] = str(path)
    if not 0 <= arguments.get("reply_s", 0) <= _LONGEST_REPLY_S:
        raise SettingsInvalid(f"[[turn]]: reply_s must be 0 to {_LONGEST_REPLY_S:g}")
    if not isinstance(arguments.get("extra_info", {}), dict):
        raise SettingsInvalid("[[turn]]: extra_info must be a table")
    for key in ("commands", "tool_calls"):
        arguments[key] = _named(arguments.pop(key, []), key)
    return Turn(**arguments)


def _named(tables: Any, key: str) -> tuple[Mapping[str, Any], ...]:
    for table in _list(tables, key):
        if not isinstance(table, dict) or not isinstance(table.get("name"), str):
            raise SettingsInvalid(f"[[turn]]: {key} must be tables with a name")
    return tuple(tables)


def _fault(table: Any) -> Fault:
    missing = {"when", "do"} - set(table if isinstance(table, dict) else ())
    if missing:
        raise SettingsInvalid(f"[[fault]]: {' and '.join(sorted(missing))} missing")
    if "arguments" in table:
        raise SettingsInvalid("[[fault]]: unknown key 'arguments'")
    return Fault.parse(**_read_table(Fault, table, "[[fault]]"))


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise SettingsInvalid(f"{where} must be a list")
    return value
