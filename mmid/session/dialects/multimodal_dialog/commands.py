"""The commands in a reply's ``extra_info``: multimodal-dialog section 9.

They ride on the reply's text, which repeats: a command is known again by its
``command_request_id``, else by its round and name. A command that makes no
sense must not cost the reply: it is noted, and the rest is obeyed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Asked", "Asking", "asking"]

# More at once is not what anybody says in a sentence.
_MOST = 16

_LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Asked:
    """One command.

    Attributes:
        key: the same whenever the same command is repeated.
        name: its name.
        params_json: its parameters, a JSON array.
    """

    key: str
    name: str
    params_json: str


@dataclass(frozen=True, slots=True)
class Asking:
    """The commands of one frame, and what was wrong with others."""

    commands: tuple[Asked, ...] = ()
    faults: tuple[str, ...] = ()


_NOTHING = Asking()


def asking(output: Mapping[str, Any]) -> Asking:
    """Read the commands of a frame's ``output``; never raises."""
    extra = output.get("extra_info")
    listed = extra.get("commands") if isinstance(extra, dict) else None
    if not listed:
        return _NOTHING
    if isinstance(listed, str):  # JSON within JSON; some pages have a real array
        try:
            listed = json.loads(listed)
        except (ValueError, RecursionError):
            return Asking(faults=("commands that are not JSON",))
    if not isinstance(listed, list):
        return Asking(faults=("commands that are no array",))
    round_id = str(output.get("round_id") or "")
    read = [_read(one, round_id) for one in listed[:_MOST]]
    faults = [one for one in read if isinstance(one, str)]
    if len(listed) > _MOST:
        faults.append(f"{len(listed)} commands at once, obeyed {_MOST}")
    return Asking(tuple(one for one in read if isinstance(one, Asked)), tuple(faults))


def _read(one: Any, round_id: str) -> Asked | str:
    """Return a command, or what is wrong with it."""
    name = one.get("name") if isinstance(one, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        return "a command without a name"
    params = one.get("params") or []
    if not isinstance(params, list):
        return f"the command {name} with parameters that are no array"
    request = one.get("command_request_id")
    key = f"request {request}" if request else f"round {round_id} {name}"
    return Asked(key, name, json.dumps(params, ensure_ascii=False, separators=(",", ":")))
