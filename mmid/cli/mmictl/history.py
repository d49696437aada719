"""What mmid did last, as ``mmictl status --history`` prints it."""

import json
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from mmid.cli.mmictl.show import moment, printable
from mmid.dbus.client import Client
from mmid.dbus.interface import DEVICE

__all__ = ["print_history", "show"]


async def print_history(client: Client, *, as_json: bool) -> None:
    """Ask for the last transitions and print them."""
    [transitions] = await client.call(DEVICE, "GetHistory")
    show(transitions, as_json=as_json)


def show(transitions: Sequence[Sequence[Any]], *, as_json: bool) -> None:
    """Print transitions, oldest first: time, how long the state lasted, state, cause."""
    if as_json:
        names = ("unix_ms", "state", "cause")
        print(json.dumps([dict(zip(names, one, strict=True)) for one in transitions]))
        return
    ends_ms = [one[0] for one in transitions[1:]]
    for (unix_ms, state, cause), end_ms in zip_longest(transitions, ends_ms):
        lasted = "now" if end_ms is None else f"{(end_ms - unix_ms) / 1000:.3f} s"
        when = moment(unix_ms, "milliseconds")
        print(f"{when}  {lasted:>11}  {printable(state):<16}  {printable(cause)}".rstrip())
