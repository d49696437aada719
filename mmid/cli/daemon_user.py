"""Has a tool of root go on as the daemon's user before it opens a sound device.

The name of a PCM can be a program: alsa-lib runs the command in ``tee:null,'|COMMAND'``,
and loads a library that a definition names. So what the settings say is opened with the
rights that the daemon has, which cannot do harm to the rest of the board.
"""

import grp
import os
import pwd
from contextlib import suppress

from mmid.child import Child
from mmid.errors import AudioDeviceFailed

USER = "mmid"

# A recipe of the unit adds the group that owns the sound devices, if that is not audio.
_ASK_UNIT = ("systemctl", "show", "--property=SupplementaryGroups", "--value", "mmid.service")
_LONGEST_S = 10.0


def become_daemon_user() -> str:
    """Give up root for good; do nothing where this process is not root's.

    Returns:
        Empty; or, where there is no such user, as on a developer's machine, that this
        process is still root's. The daemon cannot run there, and its settings can belong
        to nobody but who calls.

    Raises:
        AudioDeviceFailed: root may not become this user.
    """
    if os.geteuid():
        return ""
    try:
        account = pwd.getpwnam(USER)
    except KeyError:
        return f"opened as root, for there is no user {USER}"
    groups = {*os.getgrouplist(USER, account.pw_gid), *_groups_of_the_unit()}
    try:
        os.setgroups(sorted(groups))
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    except OSError as error:
        raise AudioDeviceFailed(
            f"sound devices are opened as the user {USER}, and root may not become that user "
            f"here: {error.strerror}"
        ) from error
    os.putenv("HOME", account.pw_dir)  # alsa-lib reads ~/.asoundrc, and root's is not the daemon's
    return ""


def _groups_of_the_unit() -> list[int]:
    """The groups that drop-ins add; none where systemd cannot be asked."""
    groups: list[int] = []
    with suppress(OSError):
        told = Child.run(_ASK_UNIT).finish(_LONGEST_S).output.decode(errors="replace")
        for name in told.split():
            with suppress(KeyError):
                groups.append(grp.getgrnam(name).gr_gid)
    return groups
