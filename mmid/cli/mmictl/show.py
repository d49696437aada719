"""What mmictl prints: for a person, or one JSON object for a program."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mmid.cli.streams import harmless, json_line
from mmid.dbus.interface import NAME, PROPERTIES

if TYPE_CHECKING:  # the doctor shows things, too, and does without asyncio
    from mmid.dbus.client import Received

_LABEL_WIDTH = 19


def properties(values: Mapping[str, Mapping[str, Any]], *, as_json: bool) -> None:
    """Print the properties of interfaces, one a line."""
    named = {interface.removeprefix(NAME + "."): dict(those) for interface, those in values.items()}
    if as_json:
        in_json(named)
        return
    for interface, those in named.items():
        print(interface)
        for name, one in those.items():
            print(f"  {name:<{_LABEL_WIDTH}}{_readable(name, one)}".rstrip())


def reply(question: str, text: str, *, as_json: bool) -> None:
    """Print the reply to a question."""
    if as_json:
        in_json({"question": question, "reply": text})
    else:
        for line in text.splitlines():
            print(printable(line))


def event(signal: "Received", *, as_json: bool) -> None:
    """Print a signal in one line, at once: time, event, arguments."""
    now = datetime.now().astimezone()
    changed = signal.interface == PROPERTIES
    arguments = signal.changed if changed else signal.arguments
    if as_json:
        time = now.isoformat(timespec="milliseconds")
        in_json({"time": time, "event": signal.name, "args": arguments})
        return
    if changed:
        words = " ".join(f"{name}={_readable(name, one)}" for name, one in arguments.items())
    else:
        words = " ".join(printable(str(one)) for one in arguments.values())
    line = f"{now:%H:%M:%S}.{now.microsecond // 1000:03d}  {signal.name:<{_LABEL_WIDTH}}{words}"
    print(line.rstrip(), flush=True)


def printable(text: str) -> str:
    """Return the text in one line, without what would command a terminal."""
    return harmless(" ".join(text.split()))


def _readable(name: str, one: Any) -> str:
    if isinstance(one, bool):
        return "yes" if one else "no"
    if name == "TokenExpiry":
        return moment(one) if one else "none"
    if name == "LicenseError":
        return _license_error(one) if one else "none"
    return printable(str(one)) or "-"


def _license_error(error: Mapping[str, Any]) -> str:
    """Code, remedy and meaning; what to do in full is in the journal and with ``--json``."""
    meaning = str(error["message"]).partition(". ")[0]
    then = f"; next attempt {moment(error['next_attempt'])}" if error["next_attempt"] else ""
    return printable(f"{error['code']}, {error['remedy']}: {meaning}{then}")


def moment(unix_ms: int, precision: str = "seconds") -> str:
    """Return a time in Unix milliseconds as the local clock shows it."""
    try:
        local = datetime.fromtimestamp(unix_ms / 1000, tz=UTC).astimezone()
    except (ValueError, OverflowError, OSError):
        return str(unix_ms)  # later than any calendar
    return local.isoformat(sep=" ", timespec=precision)


def in_json(one: Any) -> None:
    """Print a value as JSON, at once."""
    print(json_line(one), flush=True)


def coloured(text: str, colour: int) -> str:
    """Return the text in a colour of ECMA-48; as it is if no terminal shows it."""
    return f"\033[{colour}m{text}\033[0m" if sys.stdout.isatty() else text
