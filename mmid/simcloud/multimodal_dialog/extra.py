"""What rides on a reply's text beside it: commands, tool calls and the rest of ``extra_info``.

Fact sheet, section 9. Commands travel as JSON within JSON; some pages have a
real array, so a scenario may ask for either.
"""

import json
from collections.abc import Mapping
from typing import Any

from mmid.simcloud.core.scenario import Turn


def extra_info(turn: Turn) -> dict[str, Any]:
    """Return the ``extra_info`` of a turn's reply; empty if it has none."""
    extra: dict[str, Any] = {}
    if turn.commands:
        listed = list(turn.commands)
        extra["commands"] = listed if turn.commands_form == "array" else _json(listed)
    if turn.tool_calls:
        calls = enumerate(turn.tool_calls, 1)
        extra["tool_calls"] = [_tool_call(number, call) for number, call in calls]
    return extra | dict(turn.extra_info)


def _tool_call(number: int, call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call as the wire has it: what went in and came out are JSON strings."""
    return {
        "id": call.get("id", f"call_{number}"),
        "type": "function",
        "function": {
            "name": call["name"],
            "arguments": _json(call.get("arguments", {})),
            "outputs": _json(call.get("outputs", {})),
            "status": call.get("status", {"code": 200, "message": "success"}),
        },
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
