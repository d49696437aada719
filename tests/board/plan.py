"""What the board does, phase by phase, and what the cloud has to say to it.

A phase is a name and a function of ``inside.sh`` with its argument.
"""

from collections.abc import Mapping, Sequence

from tests.rig.board import PROTOCOLS
from tests.vm.machine import Report

# What the cloud that has a licence and a token is for beside its dialogs.
_LICENSED = {
    "restart, settings as before": "same_settings",
    "reload, a setting changed": "reload",
    "token renewal": "token_renewal",
}
# Duplex at the very end: its microphone stays open, and an emulated board has enough to do then.
_AT_LAST = {
    "support bundle": "support_bundle",
    "support bundle, settings changed": "support_bundle_after_change",
    "duplex, echo cancelled": "echo_cancelled duplex",
}

_SHORT = """\
[[turn]]
transcript = "noise"
reply = "a note"
reply_s = 0.5
"""

# A function of the device, which some clouds call a command.
_TOOL = """\
tool_calls = [{ name = "lamp", arguments = { on = true } }]
commands = [{ name = "lamp", params = [{ name = "on", value = "true" }] }]
"""

# An echo canceller has something to learn from it.
_LONG = """\
[[turn]]
transcript = "noise"
reply = "many notes"
reply_s = 15.0
"""


def phases(clouds: Sequence[str], dialogs: int) -> dict[str, str]:
    """Return what is done, by its name, in order.

    Args:
        clouds: over which ones dialogs are held.
        dialogs: how many over each of them.
    """
    plan: dict[str, str] = {}
    for cloud in clouds:
        if plan:
            plan[f"{cloud}: settings changed"] = f"changed_settings {cloud}"
        else:
            plan[f"{cloud}: first start"] = "first_start"
        plan[f"{cloud}: dialogs"] = f"dialogs {dialogs}"
        plan[f"{cloud}: tool call"] = "tool_call"
        if cloud == PROTOCOLS[0]:
            plan |= _LICENSED
    return plan | _AT_LAST


def scenario(dialogs: int) -> str:
    """Return simcloud's script: each cloud goes through it by itself, turn by turn."""
    return _SHORT * dialogs + _SHORT + _TOOL + _LONG


def judged(plan: Mapping[str, str], reports: Sequence[Report]) -> list[Report]:
    """Return a result for each phase of the plan, in order.

    One that has sent none is not good, and none is from which on the kernel has killed
    something for want of memory (``oom_kills`` counts since the board was switched on).
    """
    sent = {report["phase"]: report for report in reports}
    missing = {"good": False, "oom_kills": 0, "told": "no result came"}
    results = [{"phase": name} | sent.get(name, missing) for name in plan]
    return [one | {"good": one["good"] and not one["oom_kills"]} for one in results]
