import os
import pwd

import pytest

from mmid.cli import daemon_user
from mmid.cli.daemon_user import become_daemon_user
from tests.rig.script import run_script

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# A user that every Debian has, in the place of the daemon's.
SOMEBODY = pwd.getpwnam("daemon")
BECOME = f"""
import os
from mmid.cli import daemon_user
daemon_user.USER = {SOMEBODY.pw_name!r}
daemon_user._ASK_UNIT = ("echo", "audio", "no-such-group")
said = daemon_user.become_daemon_user()
"""


@as_root
def test_root_is_given_up_for_good_with_every_group_of_the_user_and_the_unit() -> None:
    script = (
        "import grp\n"
        "print([said, os.getresuid(), os.getresgid(), grp.getgrnam('audio').gr_gid in "
        "os.getgroups(), 0 in os.getgroups(), os.popen('echo $HOME').read().strip()])\n"
        "try: os.setuid(0)\n"
        "except PermissionError: print('for good')\n"
    )
    lines = run_script(BECOME + script).stdout.splitlines()
    user, group = (SOMEBODY.pw_uid,) * 3, (SOMEBODY.pw_gid,) * 3
    assert lines == [str(["", user, group, True, False, SOMEBODY.pw_dir]), "for good"]


@as_root
def test_without_the_user_root_stays_root_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_user, "USER", "no-such-user")
    assert become_daemon_user() == "opened as root, for there is no user no-such-user"
    assert os.geteuid() == 0


def test_who_is_not_root_stays_who_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(os, "setresuid", None)
    assert become_daemon_user() == ""
