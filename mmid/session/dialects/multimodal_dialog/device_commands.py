"""What a reply asks of the device, or tells of tools: ``extra_info``, multimodal-dialog section 9.

It rides on the reply's text, which repeats: a command is known again by its
``command_request_id``, else by its round and name. What makes no sense must
not cost the reply: it is noted, and the rest is passed on.

The cloud's own calls of tools (``tool_calls``) are told as commands too, all
under the name ``tool_call``: a tool may be called ``mute`` and mean something
else than the device's loudspeaker.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmid.frozen import frozen
from mmid.json_text import read_json, whole, written
from mmid.session.dialects.multimodal_dialog.volume import spoken

TOOL_CALL = "tool_call"

# More at once is not what anybody says in a sentence.
_MOST = 16

_LONGEST_NAME = 128

# What we add to a command's parameters.
_OF_THE_CALL = {"command_request_id", "domain"}

# What a tool returned may be a whole web page; nobody shows that.
_LONGEST_VALUE = 16384


@frozen
class Asked:
    """One command.

    Attributes:
        key: the same whenever the same command is repeated.
        name: its name.
        params: its parameters, objects with ``name``, ``value`` and more.
        function: the name by which a program may be it, with its domain; empty: it is no function
            of the board, but one that the cloud called itself.
        request: what its result has to quote; empty: nobody waits for one.
    """

    key: str
    name: str
    params: list[Any]
    function: str = ""
    request: str = ""

    @property
    def arguments(self) -> str:
        """The parameters as the arguments of a function: JSON of an object."""
        named = [one for one in self.params if isinstance(one, dict) and "name" in one]
        values = {str(one["name"]): spoken(one) for one in named}
        return written({key: value for key, value in values.items() if key not in _OF_THE_CALL})


def asking(output: Mapping[str, Any]) -> Sequence[Asked | str]:
    """Read the commands and tool calls of a frame's ``output``; never raises.

    The words among the result are what was wrong with others.
    """
    extra = output.get("extra_info")
    if not isinstance(extra, dict):
        return ()
    round_id = str(output.get("round_id") or "")
    return [
        *_read_all("commands", extra.get("commands"), lambda one: _command(one, round_id)),
        *_read_all("tool calls", extra.get("tool_calls"), lambda one: _tool_call(one, round_id)),
    ]


def _read_all(what: str, listed: Any, read: Callable[[Any], Asked | str]) -> list[Asked | str]:
    if not listed:
        return []
    if isinstance(listed, str):  # JSON within JSON; some pages have a real array
        try:
            listed = read_json(listed)
        except ValueError:
            return [f"{what} that are not JSON"]
    if not isinstance(listed, list):
        return [f"{what} that are no array"]
    found = [read(one) for one in listed[:_MOST]]
    if len(listed) > _MOST:
        found.append(f"{len(listed)} {what} at once, passed on {_MOST}")
    return found


def _command(one: Any, round_id: str) -> Asked | str:
    """Return a command, or what is wrong with it."""
    name = one.get("name") if isinstance(one, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        return "a command without a name"
    name = whole(name)
    params = one.get("params") or []
    if not isinstance(params, list):
        return f"the command {name} with parameters that are no array"
    request = _as_text(one.get("command_request_id") or "")
    domain = _domain(one)
    if max(len(request), len(domain)) > _LONGEST_NAME:
        return f"the command {name} whose id or domain is over {_LONGEST_NAME} characters"
    # Who carries it out must quote the id with the result, and tell commands of one name of two
    # skills apart; the signal has no other place for either.
    told = {"command_request_id": request, "domain": domain}
    params = [*params, *({"name": key, "value": value} for key, value in told.items() if value)]
    function = f"{domain}/{name}" if domain else name
    key = f"request {request}" if request else f"round {round_id} {function}"
    return Asked(key, name, params, function, request)


def _domain(one: Mapping[str, Any]) -> str:
    """Return the skill that a command is of: the first that its intents name (section 9)."""
    intents = one.get("intent_infos") or one.get("intent_info")
    for intent in intents if isinstance(intents, list) else [intents]:
        domain = intent.get("domain") if isinstance(intent, dict) else None
        if isinstance(domain, str) and domain:
            return whole(domain)
    return ""


def _tool_call(one: Any, round_id: str) -> Asked | str:
    """Return a tool call in the shape of a command, or what is wrong with it."""
    function = one.get("function") if isinstance(one, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        return "a tool call without a function"
    call = _as_text(one.get("id") or "")
    if max(len(call), len(name)) > _LONGEST_NAME:
        return f"a tool call whose name or id is over {_LONGEST_NAME} characters"
    given = {"id": call or None, "function": name}
    given |= {key: function.get(key) for key in ("arguments", "outputs", "status")}
    params = [
        {"name": key, "value": _as_text(value)} for key, value in given.items() if value is not None
    ]
    # The call is told when it is made, and once more when it has its outputs.
    progress = "ended" if given["outputs"] is not None or given["status"] is not None else "made"
    return Asked(f"tool {round_id} {call or name} {progress}", TOOL_CALL, params)


def _as_text(value: Any) -> str:
    """Return a value as the cloud wrote it: most are JSON in a string, some may be plain JSON."""
    return (value if isinstance(value, str) else written(value))[:_LONGEST_VALUE]
