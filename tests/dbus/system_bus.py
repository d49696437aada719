"""A message bus of the kind ``system``, with our policy and users of its own.

The users exist for the bus only: it runs in a mount namespace where the files
of users and groups are others. A test connects as one of them by its effective
user and groups, which is what the kernel tells the bus.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmid.dbus.bus import Bus
from tests.rig.processes import REPOSITORY

KINDS = ("dbus-daemon", "dbus-broker")

POLICY = REPOSITORY / "systemd" / "org.mmid1.conf"
SERVICE = REPOSITORY / "systemd" / "org.mmid1.service"

# What dbus-daemon's own system.conf allows, on another socket and without its users.
_CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <servicedir>{directory}/services</servicedir>
  <auth>EXTERNAL</auth>
  <listen>unix:path={directory}/bus</listen>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.systemd1"/>
  </policy>
  <include>{directory}/org.mmid1.conf</include>
  {rules}
</busconfig>
"""


@dataclass(frozen=True)
class User:
    """A user of the bus: its numbers, and the group of mmid if it is a member."""

    name: str
    number: int
    groups: tuple[int, ...]


_GROUP = 64001
ROOT = User("root", 0, (0,))
MMID = User("mmid", 64001, (_GROUP,))
MEMBER = User("member", 64002, (64002, _GROUP))
STRANGER = User("stranger", 64003, (64003,))

_PASSWD = "root:x:0:0::/:/bin/sh\n" + "".join(
    f"{user.name}:x:{user.number}:{user.groups[0]}::/:/bin/sh\n"
    for user in (MMID, MEMBER, STRANGER)
)
_GROUPS = f"root:x:0:\nmmid:x:{_GROUP}:member\nmember:x:64002:\nstranger:x:64003:\n"

# dbus-broker's launcher wants the socket as systemd would pass it (descriptor 3), a
# journal that reads what it complains about, and the broker beside it in /usr/bin.
_BROKER = """
import ctypes, os, signal, socket, sys
directory, launcher = sys.argv[1:]
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
if os.fork() == 0:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with the launcher
    while True:
        journal.recv(65536)
listener = socket.socket(socket.AF_UNIX)
listener.bind(directory + "/bus")
os.chmod(directory + "/bus", 0o666)
listener.listen(50)
print("unix:path=" + directory + "/bus", flush=True)
os.dup2(listener.fileno(), 3, inheritable=True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=" + directory + "/bus"
os.execv(launcher, [launcher, "--scope", "system", "--config-file", directory + "/bus.conf"])
"""


class SystemBus:
    """A system bus; root only.

    Args:
        kind: one of ``KINDS``.
        rules: what other programs' policy files would add.
    """

    def __init__(self, kind: str, rules: str = "") -> None:
        # Not under pytest's directory: other users must reach the socket.
        self.directory = Path(tempfile.mkdtemp(prefix="mmid-bus-"))
        self.directory.chmod(0o755)
        (self.directory / "services").mkdir()
        shutil.copy(SERVICE, self.directory / "services")
        shutil.copy(POLICY, self.directory)
        for name, text in (
            ("bus.conf", _CONFIG.format(directory=self.directory, rules=rules)),
            ("passwd", _PASSWD),
            ("group", _GROUPS),
        ):
            (self.directory / name).write_text(text)
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", self._script(kind)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip().partition(",")[0]
        if not self.address.startswith("unix:"):
            self.stop()
            raise RuntimeError(f"{kind} did not start")

    def _script(self, kind: str) -> str:
        lines = [
            f"mount --bind {self.directory}/{name} /etc/{name}" for name in ("passwd", "group")
        ]
        if kind == "dbus-daemon":
            options = "--nofork --nopidfile --print-address --systemd-activation"
            lines.append(f"exec dbus-daemon --config-file={self.directory}/bus.conf {options}")
            return "\n".join(lines)
        launcher = _broker_launcher()
        if launcher.parent != Path("/usr/bin"):
            # Of a plain name, for the options of mount know no quotes.
            ours = shutil.copytree(launcher.parent, self.directory / "bin")
            lines.append(f"mount -t overlay none -o lowerdir={ours}:/usr/bin /usr/bin")
        (self.directory / "broker.py").write_text(_BROKER)
        lines += [
            "mount -t tmpfs none /run",
            "mkdir -p /run/systemd/journal",
            f"exec {sys.executable} {self.directory}/broker.py {self.directory} {launcher}",
        ]
        return "\n".join(lines)

    async def connect(self, user: User) -> Bus:
        """Connect as a user."""
        with acting_as(user):
            return await Bus.connect(self.address)

    def stop(self) -> None:
        """End the bus."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self.directory)


@contextmanager
def acting_as(user: User) -> Iterator[None]:
    """Be a user for everything that is connected within."""
    groups = os.getgroups()
    os.setgroups(user.groups)
    os.setegid(user.groups[0])
    os.seteuid(user.number)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


# What systemd does for ProtectProc=invisible.
HIDE_PROCESSES = "mount -t proc -o hidepid=invisible proc /proc"


def possible() -> bool:
    """Whether this machine lets us have such a bus: root, with namespaces of its own."""
    return os.geteuid() == 0 and _succeeds_in_a_namespace("true")


def processes_can_be_hidden() -> bool:
    """Whether this machine lets us mount /proc, too: some containers do not."""
    return possible() and _succeeds_in_a_namespace(HIDE_PROCESSES)


def _succeeds_in_a_namespace(script: str) -> bool:
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _broker_launcher() -> Path:
    """Where dbus-broker is: installed, or where tools/bootstrap unpacked it."""
    unpacked = REPOSITORY / ".venv" / "dbus-broker" / "usr" / "bin"
    found = shutil.which("dbus-broker-launch", path=f"{os.environ['PATH']}:{unpacked}")
    if found is None:
        raise RuntimeError("dbus-broker-launch is not here: run tools/bootstrap")
    return Path(found)
