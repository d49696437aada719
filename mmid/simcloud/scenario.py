"""The script of a simulated cloud: what it says, how fast, and what goes wrong.

A scenario is a TOML file. Every key has a default; an unknown key is refused by
name. All of it, with the defaults:

    thinking_ms = 300      # from the end of the speech to the reply
    stray_audio = false    # send audio of no reply while thinking, as the real cloud was seen to
    pace = 8.0             # reply audio, times real time; 0: as fast as the client reads
    idle_s = 60.0          # without a text frame to the client: ResponseTimeout
    audio_s = 20.0         # without audio where the work mode needs it: ClientAudioTimeout

    [[turn]]               # the turns of a dialog, from the first again after the last
    transcript = "what is the weather like today"
    reply = "it is sunny and warm"
    reply_wav = ""         # 16-bit mono, at the rate asked for; empty: a phrase of notes
    commands = [{ name = "VOLUME_SET", params = [{ name = "series", normValue = "70" }] }]

    [[fault]]
    when = "Listening"     # a directive (Start, StopSpeech, HeartBeat ...), an event (Started,
                           # SpeechStarted, RespondingEnded ...), a state (Listening, Thinking,
                           # Responding), SpeechAudio or ReplyAudio (a binary frame)
    nth = 1                # at which occurrence, counted over all connections
    times = 1              # at how many occurrences from then on
    do = "drop"

    [license]              # the fields of license_service.LicenseFaults, such as
    drop_after = 1         # handle the first request, but lose the answer
    token_codes = ["200014"]  # refuse the next request for a token with this code

A fault strikes before a directive or a frame of speech is handled, and after an
event or a frame of a reply was sent. What ``do`` may be:

    close:CODE[:REASON]            close the WebSocket
    drop                           break the TCP connection
    mute                           say nothing any more, keep the connection
    delay:MS                       hold back the answer, or the event itself
    not-json                       a text frame that is not JSON
    wrong-types                    text frames with lists, numbers and null for objects and strings
    huge-text                      a text frame of more than 1 MiB
    invalid-utf8                   a text frame that is not UTF-8
    odd-binary                     a binary frame of 641 bytes
    early-binary                   a binary frame of 640 bytes that belongs to no reply
    unknown-event                  an event that no document names
    task-failed:CODE:MESSAGE       the gateway's error; closes
    fatal:STATUS:NAME:MESSAGE      the service's error; closes
    turn-error:CODE:NAME:MESSAGE   an error that ends the turn, then Listening
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from mmid.errors import SettingsInvalid
from mmid.simcloud.license_service import LicenseFaults

__all__ = ["FRAMES", "MOMENTS", "Fault", "Scenario", "Turn", "load_scenario", "read_table"]

_DIRECTIVES = (
    "Start Stop RequestToSpeak SendSpeech StopSpeech CancelSpeech RequestToRespond "
    "LocalRespondingStarted LocalRespondingEnded UpdateInfo HeartBeat"
)
_EVENTS = (
    "task-started task-finished Started Stopped RequestAccepted SpeechStarted SpeechContent "
    "SpeechEnded RespondingStarted RespondingContent RespondingEnded Error Idle Listening "
    "Thinking Responding"
)
FRAMES = ("SpeechAudio", "ReplyAudio")
MOMENTS = (*_DIRECTIVES.split(), *_EVENTS.split(), *FRAMES)

# How many arguments each fault takes at least and at most; the last one may hold colons.
_FAULTS = {
    "close": (1, 2),
    "drop": (0, 0),
    "mute": (0, 0),
    "delay": (1, 1),
    "not-json": (0, 0),
    "wrong-types": (0, 0),
    "huge-text": (0, 0),
    "invalid-utf8": (0, 0),
    "odd-binary": (0, 0),
    "early-binary": (0, 0),
    "unknown-event": (0, 0),
    "task-failed": (2, 2),
    "fatal": (3, 3),
    "turn-error": (3, 3),
}
_WITH_NUMBER = ("close", "delay", "fatal", "turn-error")
_CLOSE_CODES = (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))
_LONGEST_REASON = 123  # bytes; RFC 6455 section 5.5


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: what the cloud understands, and what it answers."""

    transcript: str = "what is the weather like today"
    reply: str = "it is sunny and warm, a good day for a walk"
    reply_wav: str = ""
    commands: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong: ``do`` with its ``arguments`` at the nth ``when``."""

    when: str
    do: str
    arguments: tuple[str, ...] = ()
    nth: int = 1
    times: int = 1

    @classmethod
    def parse(cls, when: str, do: str, nth: int = 1, times: int = 1) -> "Fault":
        """Make a fault from the words of a scenario file.

        Raises:
            SettingsInvalid: one of them is not allowed; the text names it.
        """
        if when not in MOMENTS:
            raise SettingsInvalid(f"when = {when!r}; allowed: {', '.join(MOMENTS)}")
        name, _, rest = do.partition(":")
        if name not in _FAULTS:
            raise SettingsInvalid(f"do = {do!r}; allowed: {', '.join(_FAULTS)}")
        least, most = _FAULTS[name]
        arguments = tuple(rest.split(":", most - 1)) if rest and most else ()
        if len(arguments) < least or (rest and not most):
            raise SettingsInvalid(
                f"do = {do!r}: {name} takes {least} to {most} arguments after ':'"
            )
        _check_numbers(name, do, arguments)
        if nth < 1 or times < 1:
            raise SettingsInvalid(f"nth = {nth}, times = {times}: both count from 1")
        return cls(when, name, arguments, nth, times)


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of a scenario file."""

    thinking_ms: int = 300
    stray_audio: bool = False
    pace: float = 8.0
    idle_s: float = 60.0
    audio_s: float = 20.0
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


def read_table(kind: type, table: Any, where: str, **aliases: str) -> dict[str, Any]:
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
    if get_origin(hint) is list:
        return isinstance(value, list) and all(type(item) is get_args(hint)[0] for item in value)
    return True


def _spell(hint: Any) -> str:
    return str(hint) if get_origin(hint) else hint.__name__


def _read(tables: dict[str, Any], folder: Path) -> Scenario:
    arguments = read_table(Scenario, tables, "the file", turn="turns", fault="faults")
    turns = [_turn(table, folder) for table in _list(arguments.pop("turns", []), "turn")]
    faults = [_fault(table) for table in _list(arguments.pop("faults", []), "fault")]
    for name in ("thinking_ms", "pace", "idle_s", "audio_s"):
        if arguments.get(name, 0) < 0:
            raise SettingsInvalid(f"the file: {name} = {arguments[name]} must not be negative")
    license_table = read_table(LicenseFaults, arguments.pop("license", {}), "[license]")
    arguments["license"] = LicenseFaults(**license_table)
    return Scenario(turns=tuple(turns) or (Turn(),), faults=tuple(faults), **arguments)


def _turn(table: Any, folder: Path) -> Turn:
    arguments = read_table(Turn, table, "[[turn]]")
    if arguments.get("reply_wav"):
        path = folder / arguments["reply_wav"]
        if not path.is_file():
            raise SettingsInvalid(f"[[turn]]: reply_wav = {path}: no such file")
        arguments["reply_wav"] = str(path)
    commands = _list(arguments.pop("commands", []), "commands")
    for command in commands:
        if not isinstance(command, dict) or not isinstance(command.get("name"), str):
            raise SettingsInvalid("[[turn]]: commands must be tables with a name")
    return Turn(commands=tuple(commands), **arguments)


def _fault(table: Any) -> Fault:
    missing = {"when", "do"} - set(table if isinstance(table, dict) else ())
    if missing:
        raise SettingsInvalid(f"[[fault]]: {' and '.join(sorted(missing))} missing")
    if "arguments" in table:
        raise SettingsInvalid("[[fault]]: unknown key 'arguments'")
    return Fault.parse(**read_table(Fault, table, "[[fault]]"))


def _check_numbers(name: str, do: str, arguments: tuple[str, ...]) -> None:
    if name in _WITH_NUMBER and not arguments[0].isdecimal():
        raise SettingsInvalid(f"do = {do!r}: {arguments[0]!r} must be a number")
    if name == "close":
        if int(arguments[0]) not in _CLOSE_CODES:
            raise SettingsInvalid(f"do = {do!r}: no server may send this close code")
        if len("".join(arguments[1:]).encode()) > _LONGEST_REASON:
            raise SettingsInvalid(f"do = {do!r}: a reason has at most {_LONGEST_REASON} bytes")


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise SettingsInvalid(f"{where} must be a list")
    return value
