"""The doctor's checks that open sound devices, in a process of the daemon's user.

The doctor itself must stay root: it looks at the record and the journal, too. The tables
of the settings that the checks need go over a pipe, and the finding comes back over one.
"""

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace

from mmid.child import Child, from_plain, python, to_plain
from mmid.cli.daemon_user import become_daemon_user
from mmid.cli.doctor.board import check_capture, check_mixer, check_playback
from mmid.cli.doctor.finding import Finding, Verdict, failed
from mmid.errors import TABLE, AudioDeviceFailed
from mmid.settings import Settings

_CHECKS: dict[str, Callable[[Settings], Finding | Awaitable[Finding]]] = {
    "capture": check_capture,
    "playback": check_playback,
    "mixer": check_mixer,
}

# Most of it is Python's start on a slow board; a device that hangs must not hold the doctor.
_LONGEST_S = 60.0


def as_daemon(name: str) -> Callable[[Settings], Awaitable[Finding]]:
    """Return a check of ``board`` that is made as the daemon's user if root asks for it."""

    async def check(settings: Settings) -> Finding:
        if os.geteuid():
            return await _made(name, settings)
        tables = {"audio": to_plain(settings.audio), "dialog": to_plain(settings.dialog)}
        child = Child.run(python("-m", __name__, name), json.dumps(tables).encode())
        ended = await child.finished(_LONGEST_S)
        if ended.status is None:
            text = f"the device was not opened within {_LONGEST_S:g} s"
            return failed(name, text, TABLE[AudioDeviceFailed].remedy)
        if ended.status:
            return failed(name, f"the check itself failed: {ended.last_words}", "Please report it.")
        told = json.loads(ended.output)
        return Finding(**{**told, "verdict": Verdict(told["verdict"])})

    return check


async def _made(name: str, settings: Settings) -> Finding:
    found = _CHECKS[name](settings)
    return await found if inspect.isawaitable(found) else found


def main() -> int:
    """Make the check that the argument names; print the finding as JSON."""
    # Imported before: the daemon's user need not be able to read a developer's checkout.
    from mmid.hal_linux.audio.capture import recorder  # noqa: F401, PLC0415
    from mmid.hal_linux.audio.playback import gain, mixer, player  # noqa: F401, PLC0415

    name = sys.argv[1]
    settings = from_plain(Settings, json.load(sys.stdin))
    try:
        still_root = become_daemon_user()
        found = asyncio.run(_made(name, settings))
    except AudioDeviceFailed as error:
        still_root = ""
        found = failed(name, str(error), error.remedy)
    if still_root and found.verdict is not Verdict.SKIPPED:
        found = replace(found, text=f"{found.text} ({still_root})")
    sys.stdout.write(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
