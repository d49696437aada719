"""The doctor's checks that open sound devices, in a process of the daemon's user.

The doctor itself must stay root: it looks at the record and the journal, too. It is another
program and no fork, so that nothing of root's is in its memory. The tables of the settings that
the checks need go over a pipe, and the finding comes back over one.
"""

import json
import os
import sys
from dataclasses import replace

from mmid.child import Child, from_plain, python, to_plain
from mmid.cli.daemon_user import become_daemon_user
from mmid.cli.doctor.apart import apart, broken, made, run_to_end
from mmid.cli.doctor.finding import Finding, Verdict, failed
from mmid.errors import TABLE, AudioDeviceFailed
from mmid.settings import Settings

# Most of it is Python's start on a slow board; a device that hangs must not hold the doctor.
_LONGEST_S = 60.0


def as_daemon(name: str, module: str, settings: Settings) -> list[Finding]:
    """Do as ``apart``; if root asks for it, as the daemon's user."""
    if os.geteuid():
        return apart(name, module, settings)
    tables = {"audio": to_plain(settings.audio), "dialog": to_plain(settings.dialog)}
    question = json.dumps(tables).encode()
    command = python("-m", __name__, name, module)
    ended = run_to_end(lambda: Child.run(command, question), _LONGEST_S)
    if ended.status is None:
        text = f"the device was not opened within {_LONGEST_S:g} s"
        return [failed(name, text, TABLE[AudioDeviceFailed].remedy)]
    if ended.status:
        return [broken(name, ended)]
    return [from_plain(Finding, json.loads(ended.output))]


def main() -> int:
    """Make the check that the arguments name; print the finding as JSON."""
    # Imported before: the daemon's user need not be able to read a developer's checkout.
    from mmid.cli.doctor import board  # noqa: F401, PLC0415 - the doctor itself is small
    from mmid.hal_linux.audio.capture import recorder  # noqa: F401, PLC0415
    from mmid.hal_linux.audio.playback import gain, mixer, player  # noqa: F401, PLC0415

    # Only the finding goes to who asked: a PCM that is a command, or a file, may print.
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    name, module = sys.argv[1:]
    settings = from_plain(Settings, json.load(sys.stdin))
    try:
        still_root = become_daemon_user()
        (found,) = made(name, module, settings)
    except AudioDeviceFailed as error:
        still_root = ""
        found = failed(name, str(error), error.remedy)
    if still_root and found.verdict is not Verdict.SKIPPED:
        found = replace(found, text=f"{found.text} ({still_root})")
    with answer:
        answer.write(json.dumps(to_plain(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
